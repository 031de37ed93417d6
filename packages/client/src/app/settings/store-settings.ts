/** Settings of particular result stores (celery/app/defaults.py 5.7). Durations are seconds unless the name says otherwise. */
import { setting } from './setting.ts'
import type { Options } from './setting.ts'

export const storeSettings = {
  /** Mapping of ArangoDB options. */
  arangodbBackendSettings: setting<Options | null>('dict', null, { old: 'CELERY_ARANGODB_BACKEND_SETTINGS' }),
  /** Path prefix of blobs. */
  azureblockblobBasePath: setting<string>('string', ''),
  /** Connect timeout, seconds. */
  azureblockblobConnectionTimeout: setting<number>('int', 20),
  /** Container. */
  azureblockblobContainerName: setting<string>('string', 'celery'),
  /** Read timeout, seconds. */
  azureblockblobReadTimeout: setting<number>('int', 120),
  /** Retry back-off increment. */
  azureblockblobRetryIncrementBase: setting<number>('int', 2),
  /** First retry back-off, seconds. */
  azureblockblobRetryInitialBackoffSec: setting<number>('int', 2),
  /** Retries. */
  azureblockblobRetryMaxAttempts: setting<number>('int', 3),
  /** Cache backend URL, or Django cache name. */
  cacheBackend: setting<string | null>('string', null, { old: 'CELERY_CACHE_BACKEND' }),
  /** Client options. */
  cacheBackendOptions: setting<Options>('dict', {}, { old: 'CELERY_CACHE_BACKEND_OPTIONS' }),
  /** Arguments of the auth provider. */
  cassandraAuthKwargs: setting<Options | null>('dict', null),
  /** Auth provider class name. */
  cassandraAuthProvider: setting<string | null>('string', null),
  /** Declared by Celery and read by nobody; see `cassandraSecureBundlePath`. */
  cassandraBundlePath: setting<string | null>('string', null),
  /** Seconds until rows expire. */
  cassandraEntryTtl: setting<number | null>('float', null),
  /** Keyspace. */
  cassandraKeyspace: setting<string | null>('string', null),
  /** Extra cluster options. */
  cassandraOptions: setting<Options>('dict', {}),
  /** Port (9042). */
  cassandraPort: setting<number | null>('int', null),
  /** Read consistency (LOCAL_QUORUM). */
  cassandraReadConsistency: setting<string | null>('string', null),
  /** Hosts. */
  cassandraServers: setting<readonly string[] | null>('list', null),
  /** Table. */
  cassandraTable: setting<string | null>('string', null),
  /** Write consistency (LOCAL_QUORUM). */
  cassandraWriteConsistency: setting<string | null>('string', null),
  /** Collection. */
  cosmosdbsqlCollectionName: setting<string>('string', 'celerycol'),
  /** Consistency. */
  cosmosdbsqlConsistencyLevel: setting<string>('string', 'Session'),
  /** Database. */
  cosmosdbsqlDatabaseName: setting<string>('string', 'celerydb'),
  /** Retries. */
  cosmosdbsqlMaxRetryAttempts: setting<number>('int', 9),
  /** Longest retry wait, seconds. */
  cosmosdbsqlMaxRetryWaitTime: setting<number>('int', 30),
  /** Mapping of Couchbase options. */
  couchbaseBackendSettings: setting<Options | null>('dict', null, {
    old: 'CELERY_COUCHBASE_BACKEND_SETTINGS',
  }),
  /** Create result tables at start. */
  databaseCreateTablesAtSetup: setting<boolean>('bool', true),
  /** Function called with each engine. */
  databaseEngineCallback: setting<((engine: unknown) => void) | null>('function', null),
  /** Engine options, in Celery SQLAlchemy’s. */
  databaseEngineOptions: setting<Options>(
    'dict',
    { poolPrePing: true, poolRecycle: 3600 },
    { old: 'CELERY_RESULT_ENGINE_OPTIONS' },
  ),
  /** New session per operation. */
  databaseShortLivedSessions: setting<boolean>('bool', false, {
    old: 'CELERY_RESULT_DB_SHORT_LIVED_SESSIONS',
  }),
  /** Table names, keys `task`, `group`. */
  databaseTableNames: setting<Options | null>('dict', null, { old: 'CELERY_RESULT_DB_TABLENAMES' }),
  /** Schemas, keys `task`, `group`. */
  databaseTableSchemas: setting<Options | null>('dict', null),
  /** Database URL when `resultBackend` is `database`. */
  databaseUrl: setting<string | null>('string', null, { old: 'CELERY_RESULT_DBURI' }),
  /** Retries (3). */
  elasticsearchMaxRetries: setting<number | null>('int', null, { old: 'CELERY_ELASTICSEARCH_MAX_RETRIES' }),
  /** Retry time-outs (False). */
  elasticsearchRetryOnTimeout: setting<boolean | null>('bool', null, {
    old: 'CELERY_ELASTICSEARCH_RETRY_ON_TIMEOUT',
  }),
  /** Store metadata as text, not as JSON object. */
  elasticsearchSaveMetaAsText: setting<boolean>('bool', true, {
    old: 'CELERY_ELASTICSEARCH_SAVE_META_AS_TEXT',
  }),
  /** Timeout, seconds (10). */
  elasticsearchTimeout: setting<number | null>('float', null, { old: 'CELERY_ELASTICSEARCH_TIMEOUT' }),
  /** Object prefix. */
  gcsBasePath: setting<string>('string', ''),
  /** Bucket. */
  gcsBucket: setting<string | null>('string', null),
  /** Project. */
  gcsProject: setting<string | null>('string', null),
  /** Seconds to live; 0 = none. */
  gcsTtl: setting<number>('float', 0),
  /** Mapping of MongoDB options. */
  mongodbBackendSettings: setting<Options | null>('dict', null, { old: 'CELERY_MONGODB_BACKEND_SETTINGS' }),
  /** TLS options of the Redis result store. */
  redisBackendUseSsl: setting<boolean | Options | null>(['bool', 'dict'], null, {
    old: 'CELERY_REDIS_BACKEND_USE_SSL',
  }),
  /** Database number of the result store. */
  redisDb: setting<number | null>('int', null, { old: 'CELERY_REDIS_DB' }),
  /** Host (localhost). */
  redisHost: setting<string | null>('string', null, { old: 'CELERY_REDIS_HOST' }),
  /** Pool size. */
  redisMaxConnections: setting<number | null>('int', null, { old: 'CELERY_REDIS_MAX_CONNECTIONS' }),
  /** Password. */
  redisPassword: setting<string | null>('string', null, { old: 'CELERY_REDIS_PASSWORD' }),
  /** Port (6379). */
  redisPort: setting<number | null>('int', null, { old: 'CELERY_REDIS_PORT' }),
  /** Retry once on timeout. */
  redisRetryOnTimeout: setting<boolean>('bool', false, { old: 'CELERY_REDIS_RETRY_ON_TIMEOUT' }),
  /** Connect timeout, seconds. */
  redisSocketConnectTimeout: setting<number | null>('float', null, {
    old: 'CELERY_REDIS_SOCKET_CONNECT_TIMEOUT',
  }),
  /** TCP keep-alive. */
  redisSocketKeepalive: setting<boolean>('bool', false, { old: 'CELERY_REDIS_SOCKET_KEEPALIVE' }),
  /** Read/write timeout, seconds. */
  redisSocketTimeout: setting<number | null>('float', 120, {
    old: 'CELERY_REDIS_SOCKET_TIMEOUT',
    nullable: true,
  }),
  /** User name. */
  redisUsername: setting<string | null>('string', null, { old: 'CELERY_REDIS_USERNAME' }),
  /** Key id. */
  s3AccessKeyId: setting<string | null>('string', null),
  /** Key prefix. */
  s3BasePath: setting<string | null>('string', null),
  /** Bucket. */
  s3Bucket: setting<string | null>('string', null),
  /** Endpoint. */
  s3EndpointUrl: setting<string | null>('string', null),
  /** Region. */
  s3Region: setting<string | null>('string', null),
  /** Secret. */
  s3SecretAccessKey: setting<string | null>('string', null),
  /** Secure-connect bundle (Astra). */
  cassandraSecureBundlePath: setting<string | null>('string', null, { onDemand: true }),
  /** DynamoDB endpoint. */
  dynamodbEndpointUrl: setting<string | null>('string', null, { onDemand: true }),
  /** Project of the chord counters. */
  firestoreProject: setting<string | null>('string', null, { onDemand: true }),
  /** HTTP connections of the GCS client. */
  gcsThreadpoolMaxsize: setting<number>('int', 10, { onDemand: true }),
  /** Credential provider for the result store. */
  redisBackendCredentialProvider: setting<unknown>('any', null, { onDemand: true }),
  /** Seconds between connection health checks. */
  redisBackendHealthCheckInterval: setting<number | null>('float', null, { onDemand: true }),
  /** Client name of result connections. */
  redisClientName: setting<string | null>('string', null, { onDemand: true }),
}
