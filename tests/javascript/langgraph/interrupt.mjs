// Several questions: a bad answer, a stale one, one by one, then the rest.
import { client, say } from "./client.mjs";

const { thread_id: thread } = await client.threads.create();
const first = await client.runs.wait(thread, "asker", { input: { names: ["a", "b", "c"] } });
const asked = {};
for (const found of first.__interrupt__) asked[found.value.question] = found.id;
const refusals = [];
for (const resume of [{ [asked.a]: { ok: "perhaps" } }, { ["0".repeat(32)]: {} }, { ok: true }]) {
  try {
    await client.runs.create(thread, "asker", { command: { resume } });
  } catch (error) {
    refusals.push(error.status);
  }
}
const names = [];
const resume = { [asked.b]: { ok: true } };
for await (const part of client.runs.stream(thread, "asker", {
  command: { resume },
  streamMode: "updates",
})) {
  names.push(part.event);
}
const pending = Object.values((await client.threads.get(thread)).interrupts).flat().length;
const done = await client.runs.wait(thread, "asker", {
  command: { resume: { [asked.a]: { ok: true }, [asked.c]: { ok: false, note: "no" } } },
});
say({ refusals, last: names.at(-1), pending, answers: done.answers });
