/**
 * Runs in every test worker: what the worker starts knows whose child it is, so that it can be ended when the worker
 * has died.
 */
import { processName, WORKER_VARIABLE } from "./processes.ts";

const name = processName(process.pid);
if (name !== undefined) process.env[WORKER_VARIABLE] = name;
