// One long run, read over whatever happens to the server.
import { client, say } from "./client.mjs";

const { thread_id: thread } = await client.threads.create();
const parts = [];
let run;
const input = { left: 8, pause: 0.25 };
for await (const part of client.runs.stream(thread, "counter", {
  input,
  streamMode: "values",
  onRunCreated: (created) => (run = created),
})) {
  parts.push([part.id, part.event, part.data]);
  if (parts.length === 4) say({ thread, run: run.run_id });
}
const whole = [];
for await (const part of client.runs.joinStream(thread, run.run_id)) {
  whole.push([part.id, part.event, part.data]);
}
say({ parts, whole });
