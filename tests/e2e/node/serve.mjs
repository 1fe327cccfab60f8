// Plays one client: reads a task per line ({case, model, url, key, retries, ...}), prints what the client told.
import { createInterface } from "node:readline";

const { cases } = await import(`./${process.argv[2]}.mjs`);

/** Returns the error's own and inherited class names. */
function names(error) {
  const found = [];
  for (let kind = error; kind && kind !== Object.prototype; kind = Object.getPrototypeOf(kind)) {
    if (Object.hasOwn(kind, "constructor")) found.push(kind.constructor.name);
  }
  return [...found, error.name];
}

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  let told;
  try {
    told = await cases(task)[task.case](task.model);
  } catch (error) {
    told = { error: { names: names(error), status: error.status ?? error.statusCode ?? null, message: String(error) } };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
