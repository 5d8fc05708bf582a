import { readFileSync } from "node:fs";
import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import {
  type Cell,
  CellSchema,
  type KnownFailure,
  KnownFailuresSchema,
  type Matrix,
  MatrixSchema,
} from "@streamkit/protocol/conformance";
import { parse } from "yaml";

/**
 * Reads a matrix file.
 *
 * @throws Error if the file does not fit the schema
 */
export function readMatrix(file: string): Matrix {
  return fromJson(MatrixSchema, parse(readFileSync(file, "utf8")) as JsonValue);
}

/**
 * Reads a file of known failures.
 *
 * @throws Error if the file does not fit the schema, or a failure has no reason
 */
export function readKnownFailures(file: string): KnownFailure[] {
  const { failures } = fromJson(KnownFailuresSchema, parse(readFileSync(file, "utf8")) as JsonValue);
  for (const failure of failures) {
    if (failure.reason === "" || failure.caseId === "")
      throw new Error(`${file}: a known failure lacks its case_id or its reason`);
  }
  return failures;
}

/** A cell that a matrix leaves out, with the reason. */
export interface ExcludedCell {
  readonly cell: Cell;
  readonly reason: string;
}

/** Returns all combinations of a matrix: the cells that run and the excluded ones. */
export function cellsOf(matrix: Matrix): { cells: Cell[]; excluded: ExcludedCell[] } {
  const cells: Cell[] = [];
  const excluded: ExcludedCell[] = [];
  for (const client of matrix.clients.length > 0 ? matrix.clients : ["raw"]) {
    for (const backend of matrix.backends) {
      for (const transport of matrix.transports) {
        for (const wrapper of matrix.wrappers) {
          const cell = create(CellSchema, { backend, transport, wrapper, client });
          const exclusion = matrix.exclude.find(
            (each) =>
              (each.backend === "" || each.backend === backend) &&
              (each.transport === "" || each.transport === transport) &&
              (each.wrapper === "" || each.wrapper === wrapper) &&
              (each.client === "" || each.client === client),
          );
          if (exclusion === undefined) cells.push(cell);
          else excluded.push({ cell, reason: exclusion.reason });
        }
      }
    }
  }
  return { cells, excluded };
}

/** Returns the name of a cell, such as "level/grpc/kill". The name includes the client unless it is the raw one. */
export function cellName(cell: Cell): string {
  const name = `${cell.backend}/${cell.transport}/${cell.wrapper}`;
  return cell.client === "raw" || cell.client === "" ? name : `${name}/${cell.client}`;
}
