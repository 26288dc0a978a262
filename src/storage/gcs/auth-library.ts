import { GoogleAuth, JWT, UserRefreshClient } from 'google-auth-library';

/** What of Google's library is used: loaded when the first request is made. */
export const authLibrary = { GoogleAuth, JWT, UserRefreshClient };

export type AuthLibrary = typeof authLibrary;
