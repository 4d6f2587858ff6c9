#include "services/capf/io/store_schema.h"

#include <array>
#include <string_view>

namespace sallyport::capf {
namespace {

constexpr std::array<std::string_view, 12> kFirst = {
    R"(CREATE TABLE enrollments (
         name TEXT NOT NULL PRIMARY KEY,
         tenant TEXT NOT NULL,
         device_name TEXT NOT NULL UNIQUE,
         operation BIGINT NOT NULL,
         mode BIGINT NOT NULL,
         verifier_iterations BIGINT NOT NULL,
         verifier_salt TEXT NOT NULL,
         verifier_hash TEXT NOT NULL,
         string_spent BIGINT NOT NULL,
         key_order BIGINT NOT NULL,
         rsa_bits BIGINT NOT NULL,
         curve BIGINT NOT NULL,
         validity BIGINT NOT NULL,
         completes_by BIGINT NOT NULL,
         status_outcome BIGINT NOT NULL,
         status_operation BIGINT NOT NULL,
         status_reason BIGINT NOT NULL,
         failed_attempts BIGINT NOT NULL,
         locked BIGINT NOT NULL,
         lsc_serial TEXT NOT NULL,
         unconfirmed_serial TEXT NOT NULL,
         lsc_expire_time BIGINT NOT NULL,
         last_contact_time BIGINT NOT NULL,
         protocol_version BIGINT NOT NULL,
         request_key TEXT NOT NULL,
         create_time BIGINT NOT NULL,
         update_time BIGINT NOT NULL,
         version BIGINT NOT NULL))",
    R"(CREATE UNIQUE INDEX enrollments_by_request
         ON enrollments (request_key) WHERE request_key <> '')",
    R"(CREATE INDEX enrollments_by_tenant ON enrollments (tenant, name))",
    R"(CREATE TABLE certificates (
         serial TEXT NOT NULL PRIMARY KEY,
         tenant TEXT NOT NULL,
         profile TEXT NOT NULL,
         state BIGINT NOT NULL,
         common_name TEXT NOT NULL,
         enrollment TEXT NOT NULL,
         requester TEXT NOT NULL,
         request_key TEXT NOT NULL,
         request_sha256 TEXT NOT NULL,
         key_sha256 TEXT NOT NULL,
         tbs TEXT NOT NULL,
         der TEXT NOT NULL,
         not_before BIGINT NOT NULL,
         not_after BIGINT NOT NULL,
         create_time BIGINT NOT NULL,
         revoke_time BIGINT NOT NULL,
         revocation_reason BIGINT NOT NULL))",
    // An abandoned intent gives its request id back.
    R"(CREATE UNIQUE INDEX certificates_by_request
         ON certificates (request_key)
         WHERE request_key <> '' AND state <> 5)",
    R"(CREATE INDEX certificates_by_key ON certificates (key_sha256))",
    R"(CREATE INDEX certificates_by_state
         ON certificates (state, not_after))",
    R"(CREATE INDEX certificates_by_tenant
         ON certificates (tenant, serial))",
    R"(CREATE TABLE trusted_certificates (
         store TEXT NOT NULL,
         sha256 TEXT NOT NULL,
         der TEXT NOT NULL,
         origin TEXT NOT NULL,
         tls_peer_subject TEXT NOT NULL,
         tls_contexts TEXT NOT NULL,
         create_time BIGINT NOT NULL,
         PRIMARY KEY (store, sha256)))",
    R"(CREATE TABLE audit (
         sequence BIGINT NOT NULL PRIMARY KEY,
         time BIGINT NOT NULL,
         event TEXT NOT NULL,
         actor TEXT NOT NULL,
         subject TEXT NOT NULL,
         details TEXT NOT NULL,
         previous_hash TEXT NOT NULL,
         hash TEXT NOT NULL))",
    R"(CREATE TABLE counters (
         name TEXT NOT NULL PRIMARY KEY,
         value BIGINT NOT NULL))",
    R"(INSERT INTO counters (name, value) VALUES ('trust_version', 0))",
};

constexpr std::array<std::string_view, 4> kSecond = {
    R"(CREATE TABLE trust_lists (
         sequence BIGINT NOT NULL PRIMARY KEY,
         tenant TEXT NOT NULL,
         kind BIGINT NOT NULL,
         sha1 TEXT NOT NULL,
         content TEXT NOT NULL,
         publish_time BIGINT NOT NULL))",
    R"(CREATE INDEX trust_lists_by_kind
         ON trust_lists (tenant, kind, sequence))",
    R"(CREATE TABLE phone_lists (
         device TEXT NOT NULL PRIMARY KEY,
         tenant TEXT NOT NULL,
         ctl TEXT NOT NULL,
         ctl_before TEXT NOT NULL,
         itl TEXT NOT NULL,
         itl_before TEXT NOT NULL,
         fetch_time BIGINT NOT NULL))",
    R"(CREATE INDEX phone_lists_by_tenant
         ON phone_lists (tenant, device))",
};

constexpr std::array<std::string_view, 8> kThird = {
    R"(ALTER TABLE enrollments
         ADD COLUMN approval_required BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE enrollments
         ADD COLUMN approved BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE enrollments
         ADD COLUMN mic_der TEXT NOT NULL DEFAULT '')",
    R"(ALTER TABLE enrollments
         ADD COLUMN seen_proof TEXT NOT NULL DEFAULT '')",
    // An occasion has one event, whoever looks and however often.
    R"(CREATE TABLE certificate_events (
         sequence BIGINT NOT NULL PRIMARY KEY,
         occasion TEXT NOT NULL UNIQUE,
         tenant TEXT NOT NULL,
         type BIGINT NOT NULL,
         event_time BIGINT NOT NULL,
         certificate TEXT NOT NULL,
         used_by TEXT NOT NULL,
         summary TEXT NOT NULL,
         event_id BIGINT NOT NULL))",
    R"(CREATE INDEX certificate_events_by_tenant
         ON certificate_events (tenant, sequence))",
    R"(CREATE TABLE expiry_progress (
         occasion TEXT NOT NULL PRIMARY KEY,
         done_until BIGINT NOT NULL))",
    R"(CREATE TABLE peer_chains (
         store TEXT NOT NULL,
         peer TEXT NOT NULL,
         chain TEXT NOT NULL,
         seen_time BIGINT NOT NULL,
         PRIMARY KEY (store, peer)))",
};

constexpr std::array<std::string_view, 1> kFourth = {
    R"(CREATE TABLE fetched_lists (
         url TEXT NOT NULL PRIMARY KEY,
         der TEXT NOT NULL,
         sha256 TEXT NOT NULL,
         fetch_time BIGINT NOT NULL))",
};

constexpr std::array<std::string_view, 9> kFifth = {
    R"(ALTER TABLE enrollments ADD COLUMN model TEXT NOT NULL DEFAULT '')",
    R"(CREATE TABLE phone_clusters (
         tenant TEXT NOT NULL PRIMARY KEY,
         host TEXT NOT NULL,
         mode BIGINT NOT NULL,
         sha512 BIGINT NOT NULL,
         sha512_models TEXT NOT NULL,
         from_configuration BIGINT NOT NULL,
         version BIGINT NOT NULL))",
    R"(CREATE TABLE phone_cluster_nodes (
         tenant TEXT NOT NULL,
         position BIGINT NOT NULL,
         dns_name TEXT NOT NULL,
         ip_address TEXT NOT NULL,
         certificate TEXT NOT NULL,
         sip_port BIGINT NOT NULL,
         secured_sip_port BIGINT NOT NULL,
         PRIMARY KEY (tenant, position)))",
    R"(CREATE TABLE list_signers (
         tenant TEXT NOT NULL,
         id TEXT NOT NULL,
         state BIGINT NOT NULL,
         key_pem TEXT NOT NULL,
         certificate TEXT NOT NULL,
         create_time BIGINT NOT NULL,
         PRIMARY KEY (tenant, id)))",
    R"(CREATE TABLE procedures (
         name TEXT NOT NULL PRIMARY KEY,
         tenant TEXT NOT NULL,
         kind BIGINT NOT NULL,
         state BIGINT NOT NULL,
         blocked_reason TEXT NOT NULL,
         request_key TEXT NOT NULL,
         create_time BIGINT NOT NULL,
         update_time BIGINT NOT NULL,
         version BIGINT NOT NULL))",
    // One open procedure of a tenant at a time: 1 and 2 are the open states.
    R"(CREATE UNIQUE INDEX procedures_open
         ON procedures (tenant) WHERE state IN (1, 2))",
    R"(CREATE UNIQUE INDEX procedures_by_request
         ON procedures (request_key) WHERE request_key <> '')",
    R"(CREATE TABLE procedure_steps (
         procedure_name TEXT NOT NULL,
         position BIGINT NOT NULL,
         title TEXT NOT NULL,
         done BIGINT NOT NULL,
         detail TEXT NOT NULL,
         done_time BIGINT NOT NULL,
         PRIMARY KEY (procedure_name, position)))",
    R"(INSERT INTO counters (name, value) VALUES ('fips_mode', 0))",
};

constexpr std::array<std::string_view, 5> kSixth = {
    R"(CREATE TABLE authority_generations (
         name TEXT NOT NULL PRIMARY KEY,
         authority TEXT NOT NULL,
         generation BIGINT NOT NULL,
         tenant TEXT NOT NULL,
         models TEXT NOT NULL,
         state BIGINT NOT NULL,
         common_name TEXT NOT NULL,
         organization TEXT NOT NULL,
         rsa_bits BIGINT NOT NULL,
         key_pem TEXT NOT NULL,
         token_label TEXT NOT NULL,
         chain_pem TEXT NOT NULL,
         request TEXT NOT NULL,
         listener TEXT NOT NULL,
         listed BIGINT NOT NULL,
         create_time BIGINT NOT NULL,
         version BIGINT NOT NULL))",
    // Empty for those of before, which the first authority has signed.
    R"(ALTER TABLE certificates
         ADD COLUMN authority TEXT NOT NULL DEFAULT '')",
    R"(CREATE INDEX certificates_by_authority
         ON certificates (authority, state, profile, serial))",
    R"(ALTER TABLE procedures ADD COLUMN authority TEXT NOT NULL DEFAULT '')",
    // Who takes trust, as each replica sees it.
    R"(CREATE TABLE trust_consumers (
         consumer TEXT NOT NULL PRIMARY KEY,
         identity TEXT NOT NULL,
         version BIGINT NOT NULL,
         seen_time BIGINT NOT NULL))",
};

// Procedures that go on by themselves.
constexpr std::array<std::string_view, 1> kSeventh = {
    R"(ALTER TABLE procedures ADD COLUMN automatic BIGINT NOT NULL DEFAULT 0)",
};

// A switch of FIPS mode begins procedures of the tenant that it is named in.
constexpr std::array<std::string_view, 5> kEighth = {
    R"(ALTER TABLE procedures ADD COLUMN slot TEXT NOT NULL DEFAULT '')",
    R"(UPDATE procedures SET slot = tenant)",
    R"(UPDATE procedures SET slot = 'FIPS mode' WHERE kind IN (4, 5))",
    R"(DROP INDEX procedures_open)",
    R"(CREATE UNIQUE INDEX procedures_open
         ON procedures (slot) WHERE state IN (1, 2))",
};

// Authorities that issue no more, and enrolments that name one.
constexpr std::array<std::string_view, 2> kNinth = {
    R"(ALTER TABLE authority_generations
         ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE enrollments ADD COLUMN authority TEXT NOT NULL DEFAULT '')",
};

// Authorities that are certified by EST under a path of their own.
constexpr std::array<std::string_view, 1> kTenth = {
    R"(ALTER TABLE authority_generations
         ADD COLUMN est_path TEXT NOT NULL DEFAULT '')",
};

// The complete revocation lists that delta lists build on.
constexpr std::array<std::string_view, 1> kEleventh = {
    R"(CREATE TABLE signed_lists (
         authority TEXT NOT NULL,
         number BIGINT NOT NULL,
         this_update BIGINT NOT NULL,
         next_update BIGINT NOT NULL,
         PRIMARY KEY (authority, number)))",
};

// A new certificate's serial falls anywhere: an index that ends in it has one
// more page to write for each. By time, or by nothing, they are neighbours.
constexpr std::array<std::string_view, 4> kTwelfth = {
    R"(DROP INDEX certificates_by_tenant)",
    R"(CREATE INDEX certificates_by_tenant
         ON certificates (tenant, create_time, serial))",
    R"(DROP INDEX certificates_by_authority)",
    R"(CREATE INDEX certificates_by_authority
         ON certificates (authority, state, profile))",
};

constexpr std::array<SqlMigration, 12> kSteps = {
    SqlMigration{1, kFirst},     SqlMigration{2, kSecond},
    SqlMigration{3, kThird},     SqlMigration{4, kFourth},
    SqlMigration{5, kFifth},     SqlMigration{6, kSixth},
    SqlMigration{7, kSeventh},   SqlMigration{8, kEighth},
    SqlMigration{9, kNinth},     SqlMigration{10, kTenth},
    SqlMigration{11, kEleventh}, SqlMigration{12, kTwelfth},
};

}  // namespace

absl::Span<const SqlMigration> StoreMigrations() { return kSteps; }

}  // namespace sallyport::capf
