import { expect, it } from "vitest";
import { alternativeNames } from "./peer-certificate.ts";

it.each([
  ["", []],
  ["DNS:a.example", [["DNS", "a.example"]]],
  [
    "IP Address:127.0.0.1, URI:spiffe://example/orders, DNS:a.example",
    [
      ["IP Address", "127.0.0.1"],
      ["URI", "spiffe://example/orders"],
      ["DNS", "a.example"],
    ],
  ],
  ["IP Address:0:0:0:0:0:0:0:1", [["IP Address", "0:0:0:0:0:0:0:1"]]],
  [
    "DirName:CN = someone, DNS:a",
    [
      ["DirName", "CN = someone"],
      ["DNS", "a"],
    ],
  ],
  // Names that contain the separators: Node quotes them.
  ['URI:"http://a.example/?, DNS:root"', [["URI", "http://a.example/?, DNS:root"]]],
  [
    'URI:"a\\", URI:\\"b", DNS:c',
    [
      ["URI", 'a", URI:"b'],
      ["DNS", "c"],
    ],
  ],
  // Text that Node never writes ends the list: no entry may come from a guess.
  ['DNS:a, URI:"open, DNS:root', [["DNS", "a"]]],
  ['DNS:a"b, DNS:c', []],
  ["DNS:a,DNS:b", []],
])("alternative names %j", (text, names) => {
  expect(alternativeNames(text).map(({ kind, name }) => [kind, name])).toEqual(names);
});
