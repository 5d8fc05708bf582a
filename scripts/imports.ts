/**
 * Checks imports against the tables of CONTRIBUTING.md whose last column is "may import". A heading names the folder of
 * its table. A file belongs to the row with the longest name that its path begins with. Rows of one table must not
 * import each other, directly or by way of other rows. Tests may import everything.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path/posix";

/** One row of a table: a folder (with a slash at its end) or a file, and the names that it may import. */
export interface Room {
  readonly name: string;
  /** Names below the root of the table; "all" for no limit. */
  readonly mayImport: readonly string[] | "all";
}

/** The rooms of one folder. The table of the parent folder covers imports from outside of this folder. */
export interface Rooms {
  /** The folder, with a slash at its end; "" for the repository. */
  readonly root: string;
  readonly rooms: readonly Room[];
}

const PACKAGES: Readonly<Record<string, string>> = {
  "@streamkit/protocol": "gen/es/",
  "@streamkit/client": "clients/ts/",
  "@streamkit/server": "server/",
  "@streamkit/conformance": "conformance/",
};

const code = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);

/**
 * The tables of a document.
 *
 * @throws Error if a row has no names to check
 */
export function roomsOf(markdown: string): Rooms[] {
  const tables: Rooms[] = [];
  for (const section of markdown.split(/^(?=#{2,} )/m)) {
    const [heading = "", ...lines] = section.split("\n");
    const rows = lines.filter((line) => line.startsWith("|")).map((line) => line.split("|").slice(1, -1));
    if (rows[0]?.at(-1)?.trim() !== "may import") continue;
    const [folder = ""] = code(heading);
    const rooms = rows.slice(2).flatMap((cells): Room[] => {
      const last = cells.at(-1)?.trim() ?? "";
      const names = code(last);
      if (last !== "all" && last !== "nothing" && names.length === 0) {
        throw new Error(`the row of ${cells[0]} in "${heading}" says "${last}"; expected names, "all" or "nothing"`);
      }
      return code(cells[0] ?? "").map((name) => ({ name, mayImport: last === "all" ? "all" : names }));
    });
    tables.push({ root: folder === "" ? "" : `${folder.replace(/\/$/, "")}/`, rooms });
  }
  return tables;
}

/** The modules of the repository that a source imports, as paths. */
export function importsOf(path: string, source: string): string[] {
  const text = source.replace(/^\s*\/\*[\s\S]*?\*\//gm, "").replace(/^\s*\/\/.*$/gm, "");
  const specifiers = text.matchAll(/(?:^(?:import|export|\})[^"']*? from |^import |\bimport\()"([^"]+)"/gm);
  return [...specifiers].flatMap(([, specifier = ""]) => {
    if (specifier.startsWith(".")) return [join(dirname(path), specifier)];
    // A module with a variant for browsers: "imports" of the package.json.
    if (specifier.startsWith("#")) return [`${path.slice(0, path.indexOf("src/"))}src/${specifier.slice(1)}.ts`];
    const [scope, name] = specifier.split("/");
    const target = PACKAGES[`${scope}/${name}`];
    return target === undefined ? [] : [`${target}src/index.ts`];
  });
}

const isWithin = (path: string, name: string): boolean => (name.endsWith("/") ? path.startsWith(name) : path === name);

function roomOf({ root, rooms }: Rooms, path: string): Room | undefined {
  const inside = path.slice(root.length);
  return rooms.filter(({ name }) => isWithin(inside, name)).sort((a, b) => b.name.length - a.name.length)[0];
}

/** The imports of a file that one table does not allow, each with the row that forbids it. */
export function wrongImports(table: Rooms, path: string, imports: readonly string[]): string[] {
  if (!path.startsWith(table.root)) return [];
  const room = roomOf(table, path);
  if (room === undefined) return [`${path}: no row of "${table.root || "the repository"}" in CONTRIBUTING.md has it`];
  const { name, mayImport } = room;
  if (mayImport === "all") return [];
  return imports
    .filter((target) => target.startsWith(table.root) && !isWithin(target.slice(table.root.length), name))
    .filter((target) => !mayImport.some((allowed) => isWithin(target.slice(table.root.length), allowed)))
    .map(
      (target) => `${path}: imports ${target}; ${table.root}${name} may import ${mayImport.join(", ") || "nothing"}`,
    );
}

/** The rows of one table whose imports form a cycle, in the order of the imports; undefined if there is none. */
export function cycleOf(table: Rooms, importsByPath: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const below = new Map<string, Set<string>>();
  for (const [path, imports] of importsByPath) {
    if (!path.startsWith(table.root)) continue;
    const from = roomOf(table, path)?.name;
    for (const target of imports.filter((one) => one.startsWith(table.root))) {
      const to = roomOf(table, target)?.name;
      if (from === undefined || to === undefined || from === to) continue;
      below.set(from, (below.get(from) ?? new Set()).add(to));
    }
  }
  const done = new Set<string>();
  const visit = (name: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    if (done.has(name)) return undefined;
    done.add(name);
    for (const next of below.get(name) ?? []) {
      const cycle = visit(next, [...way, name]);
      if (cycle !== undefined) return cycle;
    }
    return undefined;
  };
  for (const name of below.keys()) {
    const cycle = visit(name, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Checks that every row names an existing path, and that the tables allow every import. */
export function checkImports(): boolean {
  const tables = roomsOf(readFileSync("CONTRIBUTING.md", "utf8"));
  const listed = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "*.ts"], { encoding: "utf8" }).stdout;
  const files = listed.split("\n").filter((path) => path.includes("/") && existsSync(path));
  const problems: string[] = [];
  for (const { root, rooms } of tables) {
    const named = rooms.flatMap((room) => [room.name, ...(room.mayImport === "all" ? [] : room.mayImport)]);
    for (const name of new Set(named)) {
      if (!existsSync(root + name)) problems.push(`CONTRIBUTING.md: there is no ${root}${name}`);
    }
  }
  const sources = files.filter((path) => !/\.test\.ts$|(?:^|\/)test\//.test(path));
  const importsByPath = new Map(sources.map((path) => [path, importsOf(path, readFileSync(path, "utf8"))]));
  for (const table of tables) {
    for (const [path, imports] of importsByPath) problems.push(...wrongImports(table, path, imports));
    const cycle = cycleOf(table, importsByPath);
    if (cycle !== undefined) problems.push(`${table.root}: these rows import each other: ${cycle.join(" -> ")}`);
  }
  for (const problem of problems) console.error(problem);
  return tables.length > 0 && problems.length === 0;
}
