import type { Requests } from '../measure/requests.ts';

/** Where repositories of a bench lie that are not on its own file system. */
export interface Place {
  /** The location of a repository, by its name. */
  location(name: string): string;
  /** Options that each program needs to get there. */
  readonly options: { readonly lifeboat: readonly string[]; readonly restic: readonly string[] };
  /** The same repositories without the distance: for proofs, which ask for a lot and are not measured. */
  readonly near: Pick<Place, 'location' | 'options'>;
  readonly env: Readonly<Record<string, string>>;
  /** Brings a local repository there. */
  put(repository: string, name: string): Promise<void>;
  /** Deletes what `put` and programs have made of it. */
  remove(name: string): Promise<void>;
  /** What was asked of the server since it was asked last; null where it does not tell. */
  readonly requests: (() => Promise<Requests>) | null;
  close(): Promise<void>;
}
