// Which methods the client offers, by part.
import { client, say } from "./client.mjs";

const parts = {};
for (const [name, part] of Object.entries(client)) {
  const kind = part && typeof part === "object" ? Object.getPrototypeOf(part) : null;
  if (!kind || !kind.constructor.name.endsWith("Client")) continue;
  parts[name] = Object.getOwnPropertyNames(kind).filter(
    (method) => method !== "constructor" && !method.startsWith("_"),
  );
}
say(parts);
