#include "services/capf/io/authority_rows.h"

#include <string>
#include <tuple>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/capf/io/row_reader.h"
#include "services/capf/io/store_rows.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/sql/sql_statements.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

// Consumers of which nothing was heard for so long are forgotten.
constexpr absl::Duration kForgotten = absl::Hours(24 * 30);

}  // namespace

AuthorityGeneration ReadAuthority(const SqlRow& row) {
  const RowReader r(row);
  return {.authority = r.Text("authority"),
          .generation = r.Number("generation"),
          .tenant = r.Text("tenant"),
          .models = absl::StrSplit(r.Text("models"), '\n', absl::SkipEmpty()),
          .state = r.As<AuthorityState>("state"),
          .common_name = r.Text("common_name"),
          .organization = r.Text("organization"),
          .rsa_bits = r.As<int>("rsa_bits"),
          .key_pem = r.Text("key_pem"),
          .token_label = r.Text("token_label"),
          .chain_pem = r.Text("chain_pem"),
          .request_der = r.Octets("request"),
          .listener_der = r.Octets("listener"),
          .listed = r.Number("listed") != 0,
          .create_time = r.Time("create_time"),
          .version = r.Number("version"),
          .disabled = r.Number("disabled") != 0,
          .est_path = r.Text("est_path")};
}

absl::Status PutAuthority(SqlStatements& sql, const AuthorityGeneration& one) {
  const std::string name = one.Name();
  const long long generation = one.generation;
  const std::string models = absl::StrJoin(one.models, "\n");
  const auto state = static_cast<long long>(one.state);
  const long long rsa_bits = one.rsa_bits;
  const std::string request = HexEncode(AsBytes(one.request_der));
  const std::string listener = HexEncode(AsBytes(one.listener_der));
  const long long listed = one.listed;
  const long long disabled = one.disabled;
  const long long created = ToColumn(one.create_time);
  const long long version = one.version;
  const long long changed =
      version == 0
          ? sql.Execute(
                "INSERT INTO authority_generations (name, authority,"
                " generation, tenant, models, state, common_name,"
                " organization, rsa_bits, key_pem, token_label, chain_pem,"
                " request, listener, listed, create_time, est_path, version)"
                " VALUES (:a, :b, :c, :d, :e, :f, :g, :h, :i, :j, :k, :l, :m,"
                " :n, :o, :p, :q, 1) ON CONFLICT (name) DO NOTHING",
                name, one.authority, generation, one.tenant, models, state,
                one.common_name, one.organization, rsa_bits, one.key_pem,
                one.token_label, one.chain_pem, request, listener, listed,
                created, one.est_path)
          : sql.Execute(
                "UPDATE authority_generations SET common_name = :g,"
                " organization = :h, rsa_bits = :i, models = :e, state = :f,"
                " key_pem = :j, chain_pem = :l, request = :m, listener = :n,"
                " listed = :o, disabled = :q, version = version + 1"
                " WHERE name = :a AND version = :v",
                one.common_name, one.organization, rsa_bits, models, state,
                one.key_pem, one.chain_pem, request, listener, listed, disabled,
                name, version);
  if (changed == 1) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                   "the authority was changed meanwhile");
}

absl::Status CheckMayIssue(SqlStatements& sql,
                           const CertificateRecord& record) {
  if (record.authority.empty()) return absl::OkStatus();
  long long ended = 0;
  sql.Fetch(std::tie(ended),
            "SELECT COUNT(*) FROM authority_generations"
            " WHERE name = :n AND state NOT IN (1, 2)",
            record.authority);
  if (ended == 0) {
    long long disabled = 0;
    sql.Fetch(std::tie(disabled),
              "SELECT COUNT(*) FROM authority_generations"
              " WHERE name = :n AND disabled = 1",
              record.authority);
    if (disabled == 0) return absl::OkStatus();
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "AUTHORITY_DISABLED", "the authority issues nothing");
  }
  return MakeError(absl::StatusCode::kAborted, "AUTHORITY_SUPERSEDED",
                   "another key of the authority signs now");
}

KnownConsumer ReadConsumer(const SqlRow& row) {
  const RowReader r(row);
  return {.consumer = r.Text("consumer"),
          .identity = r.Text("identity"),
          .active_version = r.Number("version"),
          .seen_time = r.Time("seen_time")};
}

SignedListHead ReadSignedList(const SqlRow& row) {
  const RowReader r(row);
  return {.authority = r.Text("authority"),
          .number = r.Number("number"),
          .this_update = r.Time("this_update"),
          .next_update = r.Time("next_update")};
}

void InsertSignedList(SqlStatements& sql, const SignedListHead& head) {
  const long long number = head.number;
  const long long from = ToColumn(head.this_update);
  const long long until = ToColumn(head.next_update);
  sql.Execute(
      "DELETE FROM signed_lists WHERE authority = :a AND next_update < :t",
      head.authority, from);
  sql.Execute(
      "INSERT INTO signed_lists (authority, number, this_update, next_update)"
      " VALUES (:a, :n, :t, :u) ON CONFLICT (authority, number) DO NOTHING",
      head.authority, number, from, until);
}

void PutConsumer(SqlStatements& sql, const KnownConsumer& consumer) {
  const long long version = consumer.active_version;
  const long long seen = ToColumn(consumer.seen_time);
  const long long old = ToColumn(consumer.seen_time - kForgotten);
  sql.Execute("DELETE FROM trust_consumers WHERE seen_time < :t", old);
  sql.Execute(
      "INSERT INTO trust_consumers (consumer, identity, version, seen_time)"
      " VALUES (:c, :i, :v, :s) ON CONFLICT (consumer) DO UPDATE SET"
      " identity = excluded.identity, version = excluded.version,"
      " seen_time = excluded.seen_time",
      consumer.consumer, consumer.identity, version, seen);
}

}  // namespace sallyport::capf
