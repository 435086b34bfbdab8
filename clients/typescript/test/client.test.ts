import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { connect, discover } from "../src/discover.js";
import { ProblemError, SessionsClient } from "../src/index.js";
import { Service } from "./service.js";

let service: Service;
let client: SessionsClient;
before(async () => {
  service = await Service.start();
  client = connect({ folder: service.folder });
});
after(() => service.remove());

test("a session is created, added to, changed, read and removed", async () => {
  const made = await client.create({ session_id: "first", title: "A title", messages: [{ role: "user", content: "hi" }] });
  assert.equal(made.value.message_count, 1);
  const [stored] = await client.append("first", { role: "assistant", content: "hello", extra: { kept: [1, 2] } });
  assert.equal(typeof stored?.["id"], "string");
  const { messages, total } = await client.messages("first");
  assert.equal(total, 2);
  assert.deepEqual(messages[1]?.["extra"], { kept: [1, 2] });
  assert.deepEqual((await client.messages("first", { last: 1 })).start, 1);

  const { etag } = await client.session("first");
  const changed = await client.change("first", etag, { title: "Another", tags: ["a", "b"], pinned: true });
  assert.deepEqual([changed.value.title, changed.value.tags, changed.value.pinned], ["Another", ["a", "b"], true]);
  await assert.rejects(client.change("first", etag, { title: "Late" }), (error: unknown) => {
    assert.ok(error instanceof ProblemError);
    assert.deepEqual([error.status, error.code, error.etag], [412, "stale", changed.etag]);
    return true;
  });
  await client.remove("first", changed.etag);
  await assert.rejects(client.session("first"), { status: 404, code: "not-found" });
});

test("every session is listed once, page by page", async () => {
  const ids = Array.from({ length: 25 }, (_, number) => `listed-${String(number).padStart(2, "0")}`);
  for (const session_id of ids) await client.create({ session_id, agent_id: "lister" });
  const found: string[] = [];
  for await (const line of client.sessions({ limit: 10, agent_id: "lister", order: "created_at" })) {
    found.push(line.session_id);
  }
  assert.deepEqual(found, ids);
  assert.equal((await client.page({ agent_id: "lister", limit: 10 })).total, 25);
});

test("a session is found by its words", async () => {
  await client.create({ session_id: "searched", messages: [{ role: "user", content: "the connection was refused" }] });
  const [hit] = await client.search("connection refused");
  assert.equal(hit?.session.session_id, "searched");
  const [[start, end] = [0, 0]] = hit?.highlights ?? [];
  assert.equal(hit?.snippet.slice(start, end), "connection was refused".slice(0, end - start));
});

test("ids and texts of any kind come back as they are", async () => {
  const session_id = "ä/".replace("/", "") + " 漢?#%&+ .x";
  const content = "\u202e \u0000 \u{1f600} </script> \n";
  await client.create({ session_id });
  await client.append(session_id, { role: "user", content });
  assert.equal((await client.messages(session_id)).messages[0]?.["content"], content);
});

test("a refusal says what and where", async () => {
  await assert.rejects(client.append("none", { role: "user" }), { status: 404, name: "ProblemError" });
  await client.create({ session_id: "refused" });
  const wrong = [{ role: 1 }] as unknown as [{ role: string }];
  await assert.rejects(client.append("refused", ...wrong), (error: unknown) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.status, 422);
    assert.match(error.place ?? "", /messages\[0\]/);
    return true;
  });
});

test("what is sent again after a broken connection is done once", async () => {
  await client.create({ session_id: "once" });
  const address = await discover({ folder: service.folder });
  let posts = 0;
  const breaking: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    if (response.url.endsWith("/messages") && (posts += 1) <= 2) throw new TypeError("the answer was lost");
    return response;
  };
  const [stored] = await new SessionsClient(address, { fetch: breaking }).append("once", { role: "user", content: "x" });
  const { messages } = await client.messages("once");
  assert.equal(posts, 3);
  assert.deepEqual(messages, [stored]);
});

test("what a new service would do twice is not sent to it", async () => {
  const other = await Service.start();
  try {
    const near = connect({ folder: other.folder });
    await near.create({ session_id: "twice" });
    let isLost = true;
    const losing: typeof fetch = async (...request) => {
      const response = await fetch(...request);
      if (isLost && response.url.endsWith("/messages")) {
        isLost = false;
        await other.stop("SIGKILL");
        await other.restart();
        throw new TypeError("the answer was lost");
      }
      return response;
    };
    const far = new SessionsClient(() => discover({ folder: other.folder }), { fetch: losing });
    await assert.rejects(far.append("twice", { role: "user", content: "x" }), TypeError);
    assert.equal((await far.messages("twice")).total, 1);
  } finally {
    await other.remove();
  }
});

test("a service that was started anew is found again", async () => {
  const other = await Service.start();
  try {
    const near = connect({ folder: other.folder });
    await near.create({ session_id: "kept" });
    await other.stop();
    await other.restart();
    assert.equal((await near.session("kept")).value.session_id, "kept");
    const { url } = await near.address();
    await other.stop();
    await other.restart("--port", new URL(url).port); // the old address, another token
    await near.append("kept", { role: "user", content: "x" });
    assert.equal((await near.messages("kept")).total, 1);
  } finally {
    await other.remove();
  }
});

test("a service that is not there yet is looked for at each call", async () => {
  const other = await Service.start();
  try {
    await other.stop();
    const near = connect({ folder: other.folder });
    await assert.rejects(near.page(), { name: "NoServiceError" });
    await other.restart();
    assert.equal((await near.page()).total, 0);
  } finally {
    await other.remove();
  }
});

test("a wrong token is refused, and a foreign address is never asked", async () => {
  const { url } = await discover({ folder: service.folder });
  await assert.rejects(new SessionsClient({ url, token: "x".repeat(43) }).page(), { status: 401 });
  let asked = 0;
  const counting: typeof fetch = (...request) => ((asked += 1), fetch(...request));
  const foreign = new SessionsClient({ url: "http://example.com", token: "x" }, { fetch: counting });
  await assert.rejects(foreign.page(), TypeError);
  assert.equal(asked, 0);
});

