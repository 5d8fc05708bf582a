import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../errors.ts";
import { ExportFileError, LineError, TextError } from "../../index.ts";
import { UsageError } from "../read-options.ts";
import { UnreadableFileError } from "./files.ts";

/** Exit codes of the commands; docs/export.md has them. */
export const EXIT = {
  ok: 0,
  /** The storage failed, or the command has a defect. */
  failed: 1,
  /** The options cannot be used. */
  usage: 2,
  /** The file is damaged, cut, foreign, or does not exist. */
  file: 3,
  /** The store does not fit: it does not exist, or has other entries. */
  store: 4,
  /** Stopped by a signal. */
  interrupted: 130,
} as const;

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  const ofFile = [ExportFileError, UnreadableFileError, LineError, TextError];
  if (ofFile.some((kind) => error instanceof kind)) return EXIT.file;
  if (!(error instanceof ServerError)) return EXIT.failed;
  const isOfStore = error.reason === ErrorReason.NOT_FOUND || error.reason === ErrorReason.SEQUENCE_MISMATCH;
  return isOfStore ? EXIT.store : EXIT.failed;
}
