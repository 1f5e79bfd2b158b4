// The plugin as its documentation sets it up: a pool of pg, migrated tables, keys in
// the database, its rate limit on. The limit's default of 10 requests per day would
// refuse the eleventh verification, so it is set too high to be reached. No option
// that trades safety for speed is set, and none that costs anything.
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import pg from "pg";

export const auth = betterAuth({
  baseURL: "http://127.0.0.1",
  secret: "only for measuring, on this machine alone",
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL }),
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  plugins: [apiKey({ rateLimit: { enabled: true, timeWindow: 60_000, maxRequests: 1_000_000 } })],
});
