// The newer protocol: start, read, be asked, answer, over either transport.
import { client, say, until } from "./client.mjs";

const transport = process.argv[3];
const open = (assistantId) => client.threads.stream({ assistantId, transport });

const counter = open("counter");
await counter.run.start({ input: { left: 2 } });
const seen = [];
for await (const values of counter.values) seen.push(values.left);
const output = await counter.output;
await counter.close();

const asker = open("asker");
await asker.run.start({ input: { names: ["a", "b"] } });
await until(() => asker.interrupts.length === 2 && asker.interrupted);
const asked = {};
for (const { interruptId, payload } of asker.interrupts) asked[payload.question] = interruptId;
let refused;
try {
  await asker.input.respond({ namespace: [], interrupt_id: "0".repeat(32), response: {} });
} catch (error) {
  refused = error.code;
}
const responses = ["a", "b"].map((name) => ({
  namespace: [],
  interrupt_id: asked[name],
  response: { ok: true },
}));
await asker.input.respond({ responses });
const answered = await until(async () => {
  const { answers } = (await asker.state.get({ namespace: [] })).values;
  return Object.keys(answers ?? {}).length === 2 && answers;
});
const tree = await until(async () => {
  const found = (await asker.agent.getTree()).tree;
  return found.status === "completed" && found;
});
await asker.close();

const tooled = open("tooled");
// What is opened only after the run has ended would be kept open for the next one.
const { messages, toolCalls, extensions } = tooled;
const sums = extensions.sum;
await tooled.run.start({ input: { messages: [{ role: "user", content: "hi" }] } });
const texts = [];
for await (const message of messages) texts.push(await message.text);
const calls = [];
for await (const call of toolCalls) calls.push([call.name, await call.output]);
const sum = await sums;
await tooled.close();

say({ seen, output, refused, answered, tree, texts, calls, sum });
