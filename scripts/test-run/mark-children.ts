/**
 * Runs in every test worker. Marks the children of the worker with its name, so that the reaper can end them after the
 * worker has died.
 */
import { processName, WORKER_VARIABLE } from "./processes.ts";

const name = processName(process.pid);
if (name !== undefined) process.env[WORKER_VARIABLE] = name;
