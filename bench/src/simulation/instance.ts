import { type Answer, commitGroup, MAX_GROUP_APPENDS, type Memory, rowsOf, type Step } from "./policy.ts";
import type { Processors } from "./processors.ts";
import type { Random } from "./random.ts";
import type { Recorder } from "./recorder.ts";
import type { Scenario } from "./scenario.ts";
import type { TableService } from "./table-service.ts";
import type { Timeline } from "./timeline.ts";

/** What all instances share. */
export interface World {
  readonly scenario: Scenario;
  readonly timeline: Timeline;
  readonly service: TableService;
  readonly random: Random;
  readonly recorder: Recorder;
  /** The machine, when the instances share one. */
  readonly processors: Processors | undefined;
}

interface Append {
  readonly writer: number;
  readonly since: number;
}

/** Pauses of a client whose append failed: the first, doubled with every further one. */
const CLIENT_PAUSE_MILLIS = 50;

/** One server on one space, with its writers: group commit, one commit under way at a time. */
export class Instance {
  readonly #world: World;
  readonly #index: number;
  readonly #space: number;
  readonly #memory: Memory;
  readonly #queue: Append[] = [];
  #version = 0;
  #running = false;

  constructor(world: World, index: number) {
    const { spaces, writers } = world.scenario;
    this.#world = world;
    this.#index = index;
    this.#space = spaces === "one" ? 0 : index;
    // Who creates a space knows all of its transactions; who comes later does not, until a dedupe window has passed.
    const dedupeComplete = spaces === "each" || index === 0;
    this.#memory = { segments: new Set(Array.from({ length: writers }, (_, writer) => writer)), dedupeComplete };
    // Instances came one after the other and wrote something each: only the last one knows the latest state.
    const { service } = world;
    this.#version = service.commit(this.#space, service.version(this.#space))!;
  }

  /** Lets the writers begin. */
  start(): void {
    const { arrivals, writers, turnaroundMillis } = this.#world.scenario;
    if (arrivals.kind === "poisson") {
      this.#nextArrival(0, arrivals.perSecond / 1_000);
      return;
    }
    for (let writer = 0; writer < writers; writer++) {
      this.#world.timeline.after(this.#world.random.next() * turnaroundMillis, () => this.#submit(writer));
    }
  }

  #nextArrival(count: number, perMilli: number): void {
    this.#world.timeline.after(this.#world.random.exponential(perMilli), () => {
      this.#submit(count % this.#world.scenario.writers);
      this.#nextArrival(count + 1, perMilli);
    });
  }

  #submit(writer: number, since = this.#world.timeline.now): void {
    this.#queue.push({ writer, since });
    if (!this.#running) this.#commitNext();
  }

  #commitNext(): void {
    const group = this.#queue.splice(0, MAX_GROUP_APPENDS);
    this.#running = group.length > 0;
    if (!this.#running) return;
    const writers = [...new Set(group.map(({ writer }) => writer))];
    const policy = commitGroup(writers, this.#memory, this.#world.random);
    this.#proceed(policy, { kind: "done" }, group);
  }

  #proceed(policy: Generator<Step, boolean, Answer>, answer: Answer, group: readonly Append[]): void {
    const next = policy.next(answer);
    if (!next.done) {
      this.#perform(next.value, group, (following) => this.#proceed(policy, following, group));
      return;
    }
    for (const append of group) {
      if (next.value) this.#acked(append);
      else this.#failed(append);
    }
    this.#commitNext();
  }

  #acked({ writer, since }: Append): void {
    const { scenario, timeline, random, recorder } = this.#world;
    recorder.ack(this.#index, timeline.now, timeline.now - since);
    if (scenario.arrivals.kind === "poisson") return;
    timeline.after(scenario.turnaroundMillis * (0.5 + random.next()), () => this.#submit(writer));
  }

  /** The client tries again; for it, it is the same append. */
  #failed({ writer, since }: Append): void {
    const { timeline, random, scenario } = this.#world;
    const pause = scenario.storage.retryAfterMillis + random.next() * CLIENT_PAUSE_MILLIS;
    timeline.after(pause, () => this.#submit(writer, since));
  }

  #perform(step: Step, group: readonly Append[], resume: (answer: Answer) => void): void {
    const { timeline, recorder } = this.#world;
    switch (step.kind) {
      case "pause":
        timeline.after(step.millis, () => resume({ kind: "done" }));
        return;
      case "commit":
        this.#afterWork(() => this.#commit(group, resume));
        return;
      case "readHead":
        this.#read("pointRead", (version) => {
          const changed = version !== this.#version;
          this.#version = version;
          resume({ kind: "head", changed });
        });
        return;
      case "read": {
        let open = step.count;
        for (let index = 0; index < step.count; index++) {
          this.#read(step.request, () => {
            if (--open === 0) resume({ kind: "done" });
          });
        }
        recorder.note(step.count);
      }
    }
  }

  #commit(group: readonly Append[], resume: (answer: Answer) => void): void {
    const { service, timeline, recorder, scenario } = this.#world;
    const rows = rowsOf(group.length);
    service.send(
      "transaction",
      this.#space,
      rows,
      () => ({ version: service.commit(this.#space, this.#version) }),
      (result) => {
        if (result === undefined) {
          recorder.throttled(timeline.now);
          resume({ kind: "throttled", retryAfterMillis: scenario.storage.retryAfterMillis });
        } else if (result.version === undefined) {
          recorder.conflict(timeline.now);
          resume({ kind: "conflict" });
        } else {
          this.#version = result.version;
          recorder.commit(this.#index, timeline.now, rows);
          resume({ kind: "done" });
        }
      },
    );
  }

  /** One read, sent again after a while when it is refused. */
  #read(request: "pointRead" | "query", done: (version: number) => void): void {
    const { service, timeline, recorder, scenario } = this.#world;
    service.send(
      request,
      this.#space,
      1,
      () => ({ version: service.version(this.#space) }),
      (result) => {
        if (result === undefined) {
          recorder.throttled(timeline.now);
          timeline.after(scenario.storage.retryAfterMillis, () => this.#read(request, done));
        } else {
          recorder.read(timeline.now);
          done(result.version);
        }
      },
    );
  }

  /** Goes on when the machine has done what a commit takes of it. */
  #afterWork(action: () => void): void {
    const { scenario, timeline, processors } = this.#world;
    const { commitMillis, otherMillis } = scenario;
    const done = processors?.work(timeline.now, commitMillis) ?? timeline.now + commitMillis;
    timeline.after(done - timeline.now, () => {
      action();
      processors?.work(timeline.now, otherMillis);
    });
  }
}
