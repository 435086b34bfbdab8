import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { connect } from "../src/discover.js";
import { type Change, type FollowOptions, SessionsClient, type Told } from "../src/index.js";
import { Service, until } from "./service.js";

let service: Service;
let client: SessionsClient;
before(async () => {
  service = await Service.start();
  client = connect({ folder: service.folder });
});
after(() => service.remove());

/** Someone who follows, and what was told. */
class Follower {
  readonly told: Told[] = [];
  readonly breaks: unknown[] = [];
  readonly #end = new AbortController();
  readonly ended: Promise<void>;

  constructor(options: FollowOptions = {}) {
    followers.push(this);
    this.ended = this.#follow({ backoff: { first: 20, longest: 200 }, ...options });
    this.ended.catch(() => undefined);
  }

  async #follow(options: FollowOptions): Promise<void> {
    const onBreak = (reason: unknown) => this.breaks.push(reason);
    for await (const told of client.follow({ onBreak, signal: this.#end.signal, ...options })) this.told.push(told);
  }

  get changes(): Change[] {
    return this.told.flatMap((one) => (one.type === "change" ? [one.change] : []));
  }

  /** The contents that were added to a session, as its changes tell. */
  added(sessionId: string): number[] {
    const touched = this.changes.filter((one) => one.session_id === sessionId).flatMap((one) => one.messages ?? []);
    return touched.filter((one) => one.what === "added").map((one) => one.position);
  }

  ready(): Promise<void> {
    return until(() => this.told.length > 0);
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.ended;
  }
}

const followers: Follower[] = [];
afterEach(() => Promise.allSettled(followers.splice(0).map((one) => one.stop())));

test("changes of the service and of other programs are told, with the messages that they touch", async () => {
  const follower = new Follower();
  await follower.ready();
  assert.equal(follower.told[0]?.type, "ready");
  await client.create({ session_id: "seen" });
  await client.append("seen", { role: "user", content: "x" });
  service.run("append", "seen", "--role", "user", "from a shell");
  await until(() => follower.added("seen").includes(1));
  assert.deepEqual(follower.added("seen"), [0, 1]);
  assert.equal(follower.changes[0]?.kind, "created");
  await follower.stop();
  assert.deepEqual(follower.breaks, []);
});

test("only one session is told of, if it is asked for", async () => {
  const follower = new Follower({ sessionId: "ä one?" });
  await follower.ready();
  await client.create({ session_id: "another" });
  await client.create({ session_id: "ä one?" });
  await until(() => follower.changes.length > 0);
  assert.deepEqual(new Set(follower.changes.map((one) => one.session_id)), new Set(["ä one?"]));
});

test("a later follower is told what came after a number", async () => {
  const { last_change } = await client.ask((api) => api.GET("/api/v1/health"));
  await client.create({ session_id: "before" });
  const follower = new Follower({ since: last_change });
  await until(() => follower.changes.length > 0);
  assert.equal(follower.changes[0]?.session_id, "before");
});

test("nothing is missed while the service is killed and started anew", async () => {
  await client.create({ session_id: "through" });
  const follower = new Follower();
  await follower.ready();
  for (let number = 0; number < 8; number += 1) {
    if (number % 4 === 2) await service.stop("SIGKILL");
    service.run("append", "through", "--role", "user", `${number}`);
    if (number % 4 === 3) await service.restart();
  }
  await until(() => follower.added("through").includes(7));
  assert.deepEqual([...new Set(follower.added("through"))].sort((a, b) => a - b), [...Array(8).keys()]);
  assert.equal(follower.told.filter((one) => one.type !== "change").length, 1);
  assert.ok(follower.breaks.length >= 2);
});

test("it says when a connection stands, at first and after a break", async () => {
  const told: string[] = [];
  const follower = new Follower({ onConnect: () => told.push("stands"), onBreak: () => told.push("broke") });
  await follower.ready();
  assert.deepEqual(told, ["stands"]);
  await service.stop();
  await until(() => told.includes("broke"));
  await service.restart();
  await until(() => told.at(-1) === "stands");
});

test("a number that the service does not know is answered by a reset, once", async () => {
  const follower = new Follower({ since: 2 ** 50 });
  await follower.ready();
  assert.equal(follower.told[0]?.type, "reset");
  await client.create({ session_id: "after-reset" });
  await until(() => follower.changes.length > 0);
  assert.deepEqual(follower.told.map((one) => one.type), ["reset", "change"]);
});

test("a service that says nothing is asked again, until it goes on", { skip: process.platform === "win32" }, async () => {
  await client.create({ session_id: "silent" });
  const follower = new Follower({ silence: 400 });
  await follower.ready();
  service.signal("SIGSTOP");
  try {
    await until(() => follower.breaks.length >= 2);
    assert.ok(follower.breaks.some((one) => /said nothing for 400 ms/.test(String(one))));
  } finally {
    service.signal("SIGCONT");
  }
  await client.append("silent", { role: "user", content: "x" });
  await until(() => follower.added("silent").includes(0));
  assert.equal(follower.told.filter((one) => one.type !== "change").length, 1);
});

test("who takes time is told all the same", async () => {
  const told: string[] = [];
  const end = new AbortController();
  const slow = (async () => {
    for await (const one of client.follow({ silence: 500, signal: end.signal })) {
      if (one.type === "change") told.push(one.change.session_id);
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (const session_id of ["slow-1", "slow-2"]) await client.create({ session_id });
  await until(() => told.includes("slow-1") && told.includes("slow-2"));
  end.abort();
  await slow;
});

test("a signal ends it, also before it begins and while it waits", async () => {
  const ended = AbortSignal.abort();
  for await (const told of client.follow({ signal: ended })) assert.fail(`told ${told.type}`);
  const follower = new Follower({ backoff: { first: 60_000, longest: 60_000 } });
  await follower.ready();
  await service.stop();
  await until(() => follower.breaks.length > 0);
  await follower.stop();
  await service.restart();
});

test("a break of the loop closes the connection", async () => {
  let signal: AbortSignal | null | undefined;
  const watched: typeof fetch = (input, init) => ((signal = init?.signal), fetch(input, init));
  for await (const told of new SessionsClient(await client.address(), { fetch: watched }).follow()) {
    assert.equal(told.type, "ready");
    assert.equal(signal?.aborted, false);
    break;
  }
  assert.equal(signal?.aborted, true);
});

test("what will never be answered is thrown", async () => {
  const follower = new Follower({ since: -1 });
  await assert.rejects(follower.ended, { status: 422 });
});
