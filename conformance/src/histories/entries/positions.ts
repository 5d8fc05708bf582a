/** The highest known positions, per segment and per space. All clients share them. */
export class Positions {
  readonly #last = new Map<string, number>();

  /** @param segment undefined for the space */
  last(space: string, segment?: string): number {
    return this.#last.get(key(space, segment)) ?? 0;
  }

  learn(position: number, space: string, segment?: string): void {
    this.#last.set(key(space, segment), Math.max(position, this.last(space, segment)));
  }
}

function key(space: string, segment: string | undefined): string {
  return segment === undefined ? space : `${space}/${segment}`;
}
