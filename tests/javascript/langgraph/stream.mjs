// Every stream mode, subgraphs, waiting, joining a finished run, and errors.
import { client, say } from "./client.mjs";

const events = async (stream) => {
  const found = [];
  for await (const part of stream) found.push([part.event, part.data, part.id]);
  return found;
};

const { thread_id: thread } = await client.threads.create();
const modes = ["values", "updates", "tasks", "checkpoints", "debug", "messages-tuple"];
let run;
const streamed = await events(
  client.runs.stream(thread, "counter", {
    input: { left: 2 },
    streamMode: modes,
    onRunCreated: (created) => (run = created),
  }),
);
const joined = await events(client.runs.joinStream(thread, run.run_id, { lastEventId: "-1" }));
const middle = streamed[3][2];
const rest = await events(client.runs.joinStream(thread, run.run_id, { lastEventId: middle }));
const talk = { messages: [{ role: "user", content: "hi" }] };
const talked = await events(
  client.runs.stream(null, "talker", {
    input: talk,
    streamMode: "messages-tuple",
    streamSubgraphs: true,
  }),
);
const waited = await client.runs.wait(thread, "counter", { input: { left: 1 } });
let failed;
try {
  await client.runs.wait(thread, "counter", { input: { left: 1, fail: true } });
} catch (error) {
  failed = String(error.message);
}
say({
  names: [...new Set(streamed.map(([name]) => name))].sort(),
  joinedAll: JSON.stringify(joined) === JSON.stringify(streamed),
  joinedRest: JSON.stringify(rest) === JSON.stringify(streamed.slice(4)),
  text: talked
    .filter(([name]) => name.startsWith("messages|"))
    .map(([, data]) => data[0].content)
    .join(""),
  waited,
  failed,
  status: (await client.threads.get(thread)).status,
});
