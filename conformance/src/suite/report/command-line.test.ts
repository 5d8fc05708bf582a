import { expect, it } from "vitest";
import { commandLine } from "./command-line.ts";

it("shows the command of a run without its secrets", () => {
  expect(commandLine(["--matrix", "m.yaml", "--token", "t0p", "--case", "A"])).toBe(
    "streamkit-conformance --matrix m.yaml --token *** --case A",
  );
  expect(commandLine(["--azure-connection-string=AccountKey=k==", "--token=t0p"])).toBe(
    "streamkit-conformance --azure-connection-string=*** --token=***",
  );
});
