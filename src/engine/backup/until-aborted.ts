/** Taking from an iterable until it ends or a signal aborts, however long a value is in coming. */

/**
 * Passes values on. An iterable that is left early is asked to return, and waited for: it has things to undo.
 *
 * @param failedToEnd told what an iterable threw when it was asked to return; the error that came first is thrown.
 * @throws what the iterable throws, or the signal's reason.
 */
export async function* passUntilAborted<T>(
  values: AsyncIterable<T>,
  signal: AbortSignal,
  failedToEnd: (error: unknown) => void,
): AsyncGenerator<T, void> {
  const iterator = values[Symbol.asyncIterator]();
  // One promise that lives as long as the signal would gather a reaction for each value.
  let giveUp: (reason: unknown) => void = () => undefined;
  const abort = (): void => giveUp(signal.reason);
  signal.addEventListener('abort', abort, { once: true });

  /** Whether the iterable has ended by itself. */
  let ended = false;
  function next(): Promise<IteratorResult<T>> {
    return new Promise((resolve, reject) => {
      giveUp = reject;
      if (signal.aborted) reject(signal.reason);
      else
        iterator.next().then(
          (result) => {
            ended = result.done === true;
            resolve(result);
          },
          (error: unknown) => {
            ended = true;
            reject(error);
          },
        );
    });
  }

  try {
    for (;;) {
      const { done, value } = await next();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    try {
      if (!ended) await iterator.return?.();
    } catch (error) {
      failedToEnd(error);
    }
  }
}

/** The same, with what is to be done with each value. @throws also what `take` throws. */
export async function takeUntilAborted<T>(
  values: AsyncIterable<T>,
  signal: AbortSignal,
  take: (value: T) => Promise<void> | null,
  failedToEnd: (error: unknown) => void,
): Promise<void> {
  for await (const value of passUntilAborted(values, signal, failedToEnd)) {
    const taking = take(value);
    if (taking) await taking;
  }
}
