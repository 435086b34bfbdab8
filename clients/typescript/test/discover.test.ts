import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { connect, defaultFolder, discover, NoServiceError } from "../src/discover.js";
import { python, Service } from "./service.js";

let service: Service;
before(async () => {
  service = await Service.start();
});
after(() => service.remove());

const advertOf = (folder: string, name = "server.json") => join(folder, ".localsessions", name);

test("the service of a folder is found, and answers with the token", async () => {
  const address = await discover({ folder: service.folder });
  const told = JSON.parse(await readFile(advertOf(service.folder), "utf8"));
  assert.deepEqual(address, { url: told.url, token: told.token });
  const health = await connect({ folder: service.folder }).ask((api) => api.GET("/api/v1/health"));
  assert.equal(health.pid, service.pid);
});

test("a second service of the same folder is found when the first has ended", async () => {
  const first = await discover({ folder: service.folder });
  const pid = service.pid;
  await service.restart();
  assert.deepEqual(await discover({ folder: service.folder }), first);
  process.kill(pid, "SIGKILL");
  const second = await discover({ folder: service.folder });
  assert.notEqual(second.token, first.token);
});

test("a file of a service that was killed is passed over", async () => {
  const other = await Service.start();
  try {
    await other.stop("SIGKILL");
    await assert.rejects(discover({ folder: other.folder }), NoServiceError);
    // Another program has its port now: whoever answers there is not that service.
    const dead = JSON.parse(await readFile(advertOf(other.folder), "utf8"));
    const { url, token } = await discover({ folder: service.folder });
    await writeFile(advertOf(other.folder), JSON.stringify({ ...dead, url, token }));
    await assert.rejects(discover({ folder: other.folder }), NoServiceError);
  } finally {
    await other.remove();
  }
});

test("a token is sent to this machine only", async () => {
  const other = await Service.start();
  try {
    const told = JSON.parse(await readFile(advertOf(other.folder), "utf8"));
    for (const url of ["http://example.com", "http://127.0.0.1.example.com:80", "https://127.0.0.1:1", "file:///x", "x"]) {
      await writeFile(advertOf(other.folder), JSON.stringify({ ...told, url }));
      await assert.rejects(discover({ folder: other.folder }), NoServiceError, url);
    }
  } finally {
    await other.remove();
  }
});

test("what is no such file is passed over", async () => {
  const other = await Service.start();
  try {
    for (const text of ["", "[]", "null", '{"url": 1}', '{"url": "http://127.0.0.1:1"}', "{"]) {
      await writeFile(advertOf(other.folder), text);
      await assert.rejects(discover({ folder: other.folder }), NoServiceError, text);
    }
  } finally {
    await other.remove();
  }
});

test("a folder that is not there has no service", async () => {
  await assert.rejects(discover({ folder: "/none/at/all" }), (error: Error) => {
    assert.match(error.message, /localsessions --dir \/none\/at\/all serve/);
    return error instanceof NoServiceError;
  });
});

test("the folder is the one that localsessions uses", () => {
  const code = "import platformdirs; print(platformdirs.user_data_dir('localsessions', appauthor=False))";
  for (const environment of [{}, { XDG_DATA_HOME: "/data" }]) {
    const known = { ...process.env, XDG_DATA_HOME: "", LOCALSESSIONS_DIR: "", ...environment };
    assert.equal(defaultFolder(known), python(code, known));
  }
  assert.equal(defaultFolder({ LOCALSESSIONS_DIR: "/some/where" }), "/some/where");
});
