import { execFileSync } from "node:child_process";
import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A small file system of its own, in memory, mounted for a test. */
export interface MountedFolder extends AsyncDisposable {
  readonly path: string;
  remount(options: string): void;
  unmount(): void;
  mount(): void;
}

/** Mounts a file system of so many KiB. Needs root on Linux, and says so where it is not to be had: a skipped test proves nothing. */
export async function mountFolder(kib: number): Promise<MountedFolder> {
  const path = await mkdtemp(join(tmpdir(), "streamkit-mount-"));
  let mounted = false;
  const mount = () => {
    run("mount", ["-t", "tmpfs", "-o", `size=${kib}k`, "tmpfs", path]);
    mounted = true;
  };
  const unmount = () => {
    run("umount", ["--lazy", path]);
    mounted = false;
  };
  mount();
  return {
    path,
    mount,
    unmount,
    remount: (options) => run("mount", ["-o", `remount,${options}`, path]),
    async [Symbol.asyncDispose]() {
      if (mounted) unmount();
      await rmdir(path);
    },
  };
}

function run(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  } catch (error) {
    const why = String((error as { stderr?: unknown }).stderr ?? error).trim();
    throw new Error(
      `this test needs root on Linux, to mount a small file system: ${command} ${args.join(" ")}: ${why}`,
    );
  }
}
