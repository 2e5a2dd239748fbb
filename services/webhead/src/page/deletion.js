// An account that goes for good, without a word about screens. Called by deletion-screens.js. The password goes no further.

import { inStoredSpelling, stretch } from "./credentials.js";

/** What the server says to somebody whose account has gone already. */
const OF_THE_GONE = [102, 110];

/**
 * Deletes the account of a session by its password. May be repeated: an account that a try of before has deleted, its
 * answer lost, is as good as deleted now.
 */
export async function deleteAccount({ accounts, seal, session, password }) {
  try {
    await inStoredSpelling(session.email, async (email) => {
      const { auth_pw } = await stretch(accounts, seal, email, password);
      await accounts.destroyAccount(session.sessionToken, { email, authPW: auth_pw });
    });
  } catch (error) {
    const mayBeGone = error.mayBeDone === true || OF_THE_GONE.includes(error.errno);
    // Where the server cannot even be asked, that is what the person is told: trying again is right then.
    if (!mayBeGone || !(await accounts.isGone(session.uid))) throw error;
  }
}
