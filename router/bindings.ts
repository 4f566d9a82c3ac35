/** What handles stand for: per incarnation, each room handle that it bound here. Owns: that table. Does not know: routes' states. */
import type { Binding, Holder } from './route.ts';

export class Bindings {
  readonly #byIncarnation = new Map<string, Map<number, Binding>>();

  get(at: Holder, handle: number): Binding | undefined {
    return this.#byIncarnation.get(at.incarnation)?.get(handle);
  }

  set(at: Holder, handle: number, binding: Binding): void {
    let handles = this.#byIncarnation.get(at.incarnation);
    if (handles === undefined) {
      handles = new Map();
      this.#byIncarnation.set(at.incarnation, handles);
    }
    handles.set(handle, binding);
  }

  delete(at: Holder, handle: number): void {
    this.#byIncarnation.get(at.incarnation)?.delete(handle);
  }

  /** The link to this incarnation is gone, and its handles with it. */
  forget(at: Holder): void {
    this.#byIncarnation.delete(at.incarnation);
  }
}
