/** What is known of a kind of failure. */
export interface ErrorKind {
  /** Process exit status. */
  readonly exit: number;
  /** Whether trying the same again may succeed. */
  readonly retryable: boolean;
  /** What the user can do, as one sentence. */
  readonly hint: string;
}

export const kind = (exit: number, retryable: boolean, hint: string): ErrorKind => ({
  exit,
  retryable,
  hint,
});
