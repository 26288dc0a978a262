import type { ConnectionSettings } from '../connection/settings.ts';
import { withToolEnvironment } from '../connection/tool-environment.ts';

/** How a program of PostgreSQL reaches the server. */
export interface ToolLogin {
  /** Variables of libpq; secrets are in private files that they name. */
  readonly env: Readonly<Record<string, string>>;
  /** For the redaction of what programs say. */
  readonly secrets: readonly string[];
}

/** The environment of PostgreSQL's programs for as long as a generator needs it. */
export interface HeldEnvironment {
  readonly login: ToolLogin;
  /** Removes the private files. Idempotent. */
  close(): Promise<void>;
}

export async function holdToolEnvironment(settings: ConnectionSettings): Promise<HeldEnvironment> {
  const released = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<ToolLogin>();
  const finished = withToolEnvironment(settings, async (env) => {
    ready.resolve({ env, secrets: settings.secrets });
    await released.promise;
  });
  finished.catch(ready.reject);
  const login = await ready.promise;
  return {
    login,
    async close() {
      released.resolve();
      await finished;
    },
  };
}
