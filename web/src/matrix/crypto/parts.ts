// What this device does with its machine, by purpose. From outside each part is called by its name.

import { BackupKeys } from "./backup_keys";
import type { Device } from "./device";
import { Files } from "./files";
import { HistoryKeys } from "./history_keys";
import { Identity } from "./identity";
import { KeyManager } from "./key_manager";
import { Recovery } from "./recovery";
import { Removals } from "./removals";
import { SafetyNumbers } from "./safety_numbers";
import { SessionManager } from "./session_manager";
import { Verification } from "./verification";

export interface Parts {
  keys: KeyManager;
  identity: Identity;
  recovery: Recovery;
  backup: BackupKeys;
  removals: Removals;
  numbers: SafetyNumbers;
  verification: Verification;
  history: HistoryKeys;
  sessions: SessionManager;
  files: Files;
}

export function partsOf(device: Device): Parts {
  const history = new HistoryKeys(device);
  return {
    keys: new KeyManager(device, history),
    identity: new Identity(device),
    recovery: new Recovery(device),
    backup: new BackupKeys(device),
    removals: new Removals(device),
    numbers: new SafetyNumbers(device),
    verification: new Verification(device, history),
    history,
    sessions: new SessionManager(device),
    files: new Files(),
  };
}
