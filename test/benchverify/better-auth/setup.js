// Makes the tables, a user and as many keys as the argument says, and prints the keys
// as a JSON list.
import { getMigrations } from "better-auth/db/migration";
import { auth } from "./auth.js";

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
const { user } = await auth.api.signUpEmail({
  body: { name: "Bench", email: "bench@example.com", password: "only for measuring" },
});
const keys = [];
for (let i = 0; i < Number(process.argv[2]); i++) {
  const made = await auth.api.createApiKey({ body: { name: `bench ${i}`, userId: user.id } });
  keys.push(made.key);
}
console.log(JSON.stringify(keys));
process.exit(0);
