// What every scenario needs: the client, its arguments, and one line of JSON as its result.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_MODULES}/scenario.js`);
export const { Client } = require("@langchain/langgraph-sdk");
export const url = process.argv[2];
export const client = new Client({ apiUrl: url, apiKey: null });

export function say(result) {
  process.stdout.write(JSON.stringify(result) + "\n");
}

export async function until(found, seconds = 30) {
  const ends = Date.now() + seconds * 1000;
  for (;;) {
    const value = await found();
    if (value) return value;
    if (Date.now() > ends) throw new Error("it never came");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
