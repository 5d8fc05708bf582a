import { expect, it } from "vitest";
import { wrongSubject } from "./commit-subjects.ts";

it.each([
  ["fix(server): answer a retry after a trim alike", undefined],
  ["refactor(server)!: the error of the server is ServerError", undefined],
  ["docs: Express behind listen", undefined],
  [`fix: ${"x".repeat(67)}`, undefined],
  [`fix: ${"x".repeat(68)}`, "has 73 characters"],
  ["what joins an append is refused", "has no type"],
  ["fix:no space", "has no type"],
])("%s", (subject, wrong) => {
  if (wrong === undefined) expect(wrongSubject(subject)).toBeUndefined();
  else expect(wrongSubject(subject)).toContain(wrong);
});
