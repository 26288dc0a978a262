/** Where one volume goes. Every piece but the last has the same size; resolves when there is room for more. */
export interface VolumeTarget {
  /** The name of the volume for people: a path, or what stands for it. */
  readonly name: string;
  write(bytes: Uint8Array): Promise<void>;
  /** Makes it durable, and visible under its name. */
  finish(): Promise<void>;
}

/** Where an export goes, volume after volume. */
export interface VolumeOutput {
  /** Size of the pieces that targets get, in bytes; a multiple of the record size. */
  readonly pieceBytes: number;
  /** @param volume from 1. */
  open(volume: number): Promise<VolumeTarget>;
  /** Removes what was written, as far as it can be; never throws. Says what is left, or null where nothing is. */
  abandon(): Promise<string | null>;
}
