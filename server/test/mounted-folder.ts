import { execFileSync } from "node:child_process";
import { mkdtemp, rm, rmdir, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A small file system of its own, mounted for a test. */
export interface MountedFolder extends AsyncDisposable {
  readonly path: string;
  remount(options: string): void;
  unmount(): void;
  mount(): void;
}

/**
 * Mounts a file system of `kib` KiB in memory. Needs root on Linux, and fails with that message elsewhere, since a
 * skipped test proves nothing.
 */
export function mountFolder(kib: number): Promise<MountedFolder> {
  return mounted(["-t", "tmpfs", "-o", `size=${kib}k`, "tmpfs"]);
}

/**
 * Mounts an ext4 file system of `kib` KiB, in a file. `remount("abort")` makes it read-only, as a failing device does.
 */
export async function mountDisk(kib: number): Promise<MountedFolder> {
  const image = join(await mkdtemp(join(tmpdir(), "streamkit-disk-")), "image");
  await writeFile(image, "");
  await truncate(image, kib * 1024);
  run("mkfs.ext4", ["-q", "-F", image]);
  return mounted(["-o", "loop,errors=remount-ro", image], () => rm(join(image, ".."), { recursive: true }));
}

async function mounted(what: readonly string[], remove = async () => {}): Promise<MountedFolder> {
  const path = await mkdtemp(join(tmpdir(), "streamkit-mount-"));
  let isMounted = false;
  const mount = () => {
    run("mount", [...what, path]);
    isMounted = true;
  };
  const unmount = () => {
    run("umount", ["--lazy", path]);
    isMounted = false;
  };
  mount();
  return {
    path,
    mount,
    unmount,
    remount: (options) => run("mount", ["-o", `remount,${options}`, path]),
    async [Symbol.asyncDispose]() {
      if (isMounted) unmount();
      await rmdir(path);
      await remove();
    },
  };
}

function run(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`this test needs root on Linux, to mount a small file system: ${(stderr || message).trim()}`);
  }
}
