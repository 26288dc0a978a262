/**
 * A capability of a storage (such as `bucket`) with something done around each call of its methods, all of which
 * answer with promises. Its facts stay as they are.
 *
 * @param around gets the method's name and the work.
 */
export function aroundCalls<T extends object>(
  capability: T,
  around: <R>(method: string, work: () => Promise<R>) => Promise<R>,
): T {
  const wrapped: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(capability)) {
    wrapped[name] =
      typeof member === 'function'
        ? (...args: unknown[]) =>
            around(name, () => Reflect.apply(member, capability, args) as Promise<unknown>)
        : member;
  }
  return wrapped as T;
}

/** The optional capabilities of a storage, wrapped where they are there. */
export function wrappedCapabilities<B extends object, A extends object, V extends object>(
  { bucket, archive, vault }: { readonly bucket?: B; readonly archive?: A; readonly vault?: V },
  around: <R>(method: string, work: () => Promise<R>) => Promise<R>,
): { bucket?: B; archive?: A; vault?: V } {
  return {
    ...(bucket && { bucket: aroundCalls(bucket, around) }),
    ...(archive && { archive: aroundCalls(archive, around) }),
    ...(vault && { vault: aroundCalls(vault, around) }),
  };
}
