import { Contention } from "../../../../server/src/engine/commit/contention.ts";
import { type Answer, commitGroup, MAX_GROUP_APPENDS, rowsOf, type Step, type Writer } from "./policy.ts";
import type { Processors } from "./processors.ts";
import type { Random } from "./random.ts";
import type { Recorder } from "./recorder.ts";
import type { Scenario } from "./scenario.ts";
import type { TableService } from "./table-service.ts";
import type { Timeline } from "./timeline.ts";

/** The environment that all instances share. */
export interface World {
  readonly scenario: Scenario;
  readonly timeline: Timeline;
  readonly service: TableService;
  readonly random: Random;
  readonly recorder: Recorder;
  /** The processors of the machine, if the instances share one. */
  readonly processors: Processors | undefined;
}

interface Append {
  readonly writer: number;
  readonly since: number;
}

/** First pause of a client after a failed append. Each further failure doubles it. */
const CLIENT_PAUSE_MILLIS = 50;

/** One server on one space, with its writers: group commit, one commit under way at a time. */
export class SimulatedInstance {
  readonly #world: World;
  readonly #index: number;
  readonly #space: number;
  readonly #policy: Writer;
  readonly #queue: Append[] = [];
  #version = 0;
  #running = false;

  constructor(world: World, index: number) {
    const { spaces, writers, pace } = world.scenario;
    const now = () => world.timeline.now;
    this.#world = world;
    this.#index = index;
    this.#space = spaces === "one" ? 0 : index;
    // The creator of a space knows all of its transactions. Later instances know them after a dedupe window.
    this.#policy = {
      segments: new Set(Array.from({ length: writers }, (_, writer) => writer)),
      dedupeComplete: spaces === "each" || index === 0,
      contention: new Contention({ now, random: () => world.random.next() }, pace),
      now,
    };
    // The instances arrived one after the other, and each wrote something. Only the last one knows the latest state.
    const { service } = world;
    this.#version = service.commit(this.#space, service.version(this.#space))!;
  }

  /** Starts the writers. */
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
    this.#running = this.#queue.length > 0;
    if (!this.#running) return;
    const group: Append[] = [];
    const members = () => {
      group.push(...this.#queue.splice(0, MAX_GROUP_APPENDS - group.length));
      return group.map(({ writer }) => writer);
    };
    this.#proceed(commitGroup(members, this.#policy), { kind: "done" }, group);
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

  /** The client tries again. It still counts as the same append. */
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
      case "catchUp":
        this.#catchUp(resume);
        return;
      case "read":
        recorder.note(step.count);
        this.#together(
          step.count,
          (done) => this.#read("pointRead", done),
          () => resume({ kind: "done" }),
        );
    }
  }

  /** Reads head and log at the same time, and reads the log again if it was incomplete for that head. */
  #catchUp(resume: (answer: Answer) => void): void {
    let head = 0;
    let log = 0;
    const end = () => {
      if (log < head) {
        this.#read("query", (version) => {
          log = version;
          end();
        });
        return;
      }
      const changed = head !== this.#version;
      this.#version = head;
      resume({ kind: "caughtUp", changed });
    };
    this.#together(
      2,
      (done, index) =>
        this.#read(index === 0 ? "pointRead" : "query", (version) => {
          if (index === 0) head = version;
          else log = version;
          done();
        }),
      end,
    );
  }

  /** Starts several operations at once, and continues when all of them are done. */
  #together(count: number, begin: (done: () => void, index: number) => void, end: () => void): void {
    let open = count;
    for (let index = 0; index < count; index++) {
      begin(() => {
        if (--open === 0) end();
      }, index);
    }
  }

  #commit(group: readonly Append[], resume: (answer: Answer) => void): void {
    const { service, timeline, recorder, scenario } = this.#world;
    const rows = rowsOf(group.length);
    const start = timeline.now;
    service.send(
      "transaction",
      this.#space,
      rows,
      () => ({ version: service.commit(this.#space, this.#version) }),
      (result) => {
        const millis = timeline.now - start;
        if (result === undefined) {
          recorder.throttled(timeline.now);
          resume({ kind: "throttled", millis, retryAfterMillis: scenario.storage.retryAfterMillis });
        } else if (result.version === undefined) {
          recorder.conflict(timeline.now);
          resume({ kind: "conflict", millis });
        } else {
          this.#version = result.version;
          recorder.commit(this.#index, timeline.now, rows);
          resume({ kind: "committed", millis });
        }
      },
    );
  }

  /** One read. Repeats it after a pause if it is refused. */
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

  /** Continues when the machine has done its work for a commit. */
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
