/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";
import { anyApi } from "convex/server";
import type * as abandonedTurns from "../abandonedTurns.js";
import type * as adopt from "../adopt.js";
import type * as approvals from "../approvals.js";
import type * as attachments from "../attachments.js";
import type * as audit from "../audit.js";
import type * as authorize from "../authorize.js";
import type * as builders from "../builders.js";
import type * as catalog from "../catalog.js";
import type * as catalogNames from "../catalogNames.js";
import type * as changes from "../changes.js";
import type * as commands from "../commands.js";
import type * as crons from "../crons.js";
import type * as deltas from "../deltas.js";
import type * as deviceProvider from "../deviceProvider.js";
import type * as deviceRows from "../deviceRows.js";
import type * as deviceTokens from "../deviceTokens.js";
import type * as devices from "../devices.js";
import type * as endTurn from "../endTurn.js";
import type * as enqueueTurn from "../enqueueTurn.js";
import type * as errors from "../errors.js";
import type * as files from "../files.js";
import type * as history from "../history.js";
import type * as http from "../http.js";
import type * as inbox from "../inbox.js";
import type * as inboxItems from "../inboxItems.js";
import type * as lease from "../lease.js";
import type * as limits from "../limits.js";
import type * as maintenance from "../maintenance.js";
import type * as modelVariants from "../modelVariants.js";
import type * as models from "../models.js";
import type * as notifications from "../notifications.js";
import type * as notifyDelivery from "../notifyDelivery.js";
import type * as notifyMessages from "../notifyMessages.js";
import type * as notifyTargets from "../notifyTargets.js";
import type * as outline from "../outline.js";
import type * as pairing from "../pairing.js";
import type * as parts from "../parts.js";
import type * as payloads from "../payloads.js";
import type * as presence from "../presence.js";
import type * as promptQueue from "../promptQueue.js";
import type * as prompts from "../prompts.js";
import type * as protocol from "../protocol.js";
import type * as purge from "../purge.js";
import type * as pushDelivery from "../pushDelivery.js";
import type * as pushKeys from "../pushKeys.js";
import type * as pushSubscriptions from "../pushSubscriptions.js";
import type * as queries from "../queries.js";
import type * as queryResults from "../queryResults.js";
import type * as queue from "../queue.js";
import type * as quotas from "../quotas.js";
import type * as removals from "../removals.js";
import type * as requestAnswers from "../requestAnswers.js";
import type * as requestContents from "../requestContents.js";
import type * as requests from "../requests.js";
import type * as search from "../search.js";
import type * as searchText from "../searchText.js";
import type * as secrets from "../secrets.js";
import type * as sessionActions from "../sessionActions.js";
import type * as sessionStates from "../sessionStates.js";
import type * as sessions from "../sessions.js";
import type * as sync from "../sync.js";
import type * as tables from "../tables.js";
import type * as tables_changes from "../tables/changes.js";
import type * as tables_commands from "../tables/commands.js";
import type * as tables_devices from "../tables/devices.js";
import type * as tables_files from "../tables/files.js";
import type * as tables_inbox from "../tables/inbox.js";
import type * as tables_models from "../tables/models.js";
import type * as tables_notifications from "../tables/notifications.js";
import type * as tables_queries from "../tables/queries.js";
import type * as tables_quotas from "../tables/quotas.js";
import type * as tables_requests from "../tables/requests.js";
import type * as tables_search from "../tables/search.js";
import type * as tables_sessionStates from "../tables/sessionStates.js";
import type * as tables_sessions from "../tables/sessions.js";
import type * as tables_turns from "../tables/turns.js";
import type * as tables_usage from "../tables/usage.js";
import type * as tables_workers from "../tables/workers.js";
import type * as tokens from "../tokens.js";
import type * as turnOrder from "../turnOrder.js";
import type * as turns from "../turns.js";
import type * as usage from "../usage.js";
import type * as usedKeys from "../usedKeys.js";
import type * as validators from "../validators.js";
import type * as viewers from "../viewers.js";
import type * as webPush from "../webPush.js";
import type * as workerLoad from "../workerLoad.js";
import type * as workers from "../workers.js";
import type * as wrongCodes from "../wrongCodes.js";

const fullApi: ApiFromModules<{
  abandonedTurns: typeof abandonedTurns;
  adopt: typeof adopt;
  approvals: typeof approvals;
  attachments: typeof attachments;
  audit: typeof audit;
  authorize: typeof authorize;
  builders: typeof builders;
  catalog: typeof catalog;
  catalogNames: typeof catalogNames;
  changes: typeof changes;
  commands: typeof commands;
  crons: typeof crons;
  deltas: typeof deltas;
  deviceProvider: typeof deviceProvider;
  deviceRows: typeof deviceRows;
  deviceTokens: typeof deviceTokens;
  devices: typeof devices;
  endTurn: typeof endTurn;
  enqueueTurn: typeof enqueueTurn;
  errors: typeof errors;
  files: typeof files;
  history: typeof history;
  http: typeof http;
  inbox: typeof inbox;
  inboxItems: typeof inboxItems;
  lease: typeof lease;
  limits: typeof limits;
  maintenance: typeof maintenance;
  modelVariants: typeof modelVariants;
  models: typeof models;
  notifications: typeof notifications;
  notifyDelivery: typeof notifyDelivery;
  notifyMessages: typeof notifyMessages;
  notifyTargets: typeof notifyTargets;
  outline: typeof outline;
  pairing: typeof pairing;
  parts: typeof parts;
  payloads: typeof payloads;
  presence: typeof presence;
  promptQueue: typeof promptQueue;
  prompts: typeof prompts;
  protocol: typeof protocol;
  purge: typeof purge;
  pushDelivery: typeof pushDelivery;
  pushKeys: typeof pushKeys;
  pushSubscriptions: typeof pushSubscriptions;
  queries: typeof queries;
  queryResults: typeof queryResults;
  queue: typeof queue;
  quotas: typeof quotas;
  removals: typeof removals;
  requestAnswers: typeof requestAnswers;
  requestContents: typeof requestContents;
  requests: typeof requests;
  search: typeof search;
  searchText: typeof searchText;
  secrets: typeof secrets;
  sessionActions: typeof sessionActions;
  sessionStates: typeof sessionStates;
  sessions: typeof sessions;
  sync: typeof sync;
  tables: typeof tables;
  "tables/changes": typeof tables_changes;
  "tables/commands": typeof tables_commands;
  "tables/devices": typeof tables_devices;
  "tables/files": typeof tables_files;
  "tables/inbox": typeof tables_inbox;
  "tables/models": typeof tables_models;
  "tables/notifications": typeof tables_notifications;
  "tables/queries": typeof tables_queries;
  "tables/quotas": typeof tables_quotas;
  "tables/requests": typeof tables_requests;
  "tables/search": typeof tables_search;
  "tables/sessionStates": typeof tables_sessionStates;
  "tables/sessions": typeof tables_sessions;
  "tables/turns": typeof tables_turns;
  "tables/usage": typeof tables_usage;
  "tables/workers": typeof tables_workers;
  tokens: typeof tokens;
  turnOrder: typeof turnOrder;
  turns: typeof turns;
  usage: typeof usage;
  usedKeys: typeof usedKeys;
  validators: typeof validators;
  viewers: typeof viewers;
  webPush: typeof webPush;
  workerLoad: typeof workerLoad;
  workers: typeof workers;
  wrongCodes: typeof wrongCodes;
}> = anyApi as any;

/**
 * A utility for referencing Convex functions in your app's public API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = api.myModule.myFunction;
 * ```
 */
export const api: FilterApi<
  typeof fullApi,
  FunctionReference<any, "public">
> = anyApi as any;

/**
 * A utility for referencing Convex functions in your app's internal API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = internal.myModule.myFunction;
 * ```
 */
export const internal: FilterApi<
  typeof fullApi,
  FunctionReference<any, "internal">
> = anyApi as any;
