/** What is wrong with a file. */
export type FileProblem =
  /** The file ends too early. */
  | "cut"
  /** Bytes of the file have changed, or are missing. */
  | "damaged"
  /** It is not the file of an export, or a program wrote it that does not follow the format. */
  | "foreign"
  /** The file has a format that this version cannot read. */
  | "newer";

/** The place of a chunk in a file. */
export interface Place {
  /** Number of the chunk; the first one is 0. */
  readonly chunk: number;
  /** Offset of its first byte in the file. */
  readonly at: number;
}

/** The file of an export cannot be read. The message names the place. */
export class ExportFileError extends Error {
  override readonly name = "ExportFileError";
  readonly problem: FileProblem;
  readonly place: Place;

  constructor(problem: FileProblem, { chunk, at }: Place, message: string, cause?: unknown) {
    super(`${message} (chunk ${chunk}, at byte ${at})`, cause === undefined ? undefined : { cause });
    this.problem = problem;
    this.place = { chunk, at };
  }
}
