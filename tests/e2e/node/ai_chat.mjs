import { over } from "./ai_sdk.mjs";

export const cases = (task) => over("chat", task);
