// The port to everything capf remembers: enrollments, certificates, trust and
// the audit record. One change is one durable transaction.

#ifndef SALLYPORT_SERVICES_CAPF_IO_ENROLLMENT_STORE_H_
#define SALLYPORT_SERVICES_CAPF_IO_ENROLLMENT_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/capf/core/audit_record.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/certificate_event.h"
#include "services/capf/core/certificate_record.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/core/foreign_list.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/procedure.h"
#include "services/capf/core/published_list.h"
#include "services/capf/core/trust_list_plan.h"
#include "services/capf/core/trust_store.h"

namespace sallyport::capf {

// A certificate record that must be in `expected` state before.
struct CertificateUpdate {
  CertificateRecord record;
  CertificateState expected;
};

// A resource at a version; version 0 is any.
struct VersionedName {
  std::string name;
  int64_t version = 0;
};

// A service that takes trust, and what it last said was in force there.
struct KnownConsumer {
  std::string consumer;
  std::string identity;
  int64_t active_version = 0;
  absl::Time seen_time = absl::UnixEpoch();

  bool operator==(const KnownConsumer&) const = default;
};

// Certificates of one authority that are in use and not expired.
struct LiveCertificates {
  std::string authority;  // "default/1"
  // Those of before authorities had names count too.
  bool unnamed = false;
  bool lsc = false;  // phones' only, or all others
};

// A complete revocation list that was signed. A value.
struct SignedListHead {
  std::string authority;  // as AuthorityGeneration::Name() has it
  int64_t number = 0;
  absl::Time this_update;
  absl::Time next_update;
};

// Applied whole or not at all, with its audit records in the same transaction.
struct StoreChange {
  std::vector<Enrollment> insert_enrollments;
  // Each at the version that was read; the store raises it by one.
  std::vector<Enrollment> update_enrollments;
  std::vector<VersionedName> delete_enrollments;
  std::vector<CertificateRecord> insert_certificates;
  std::vector<CertificateUpdate> update_certificates;
  std::vector<TrustedCertificate> insert_trusted;
  std::vector<TrustedCertificate> delete_trusted;
  std::vector<PublishedList> insert_lists;
  std::vector<PhoneLists> put_phone_lists;      // made or replaced
  std::vector<CertificateEvent> insert_events;  // once for each occasion
  std::vector<ExpiryProgress> put_progress;     // made or replaced
  std::vector<PeerChain> put_peer_chains;       // made or replaced
  std::vector<FetchedList> put_fetched_lists;   // made or replaced
  std::vector<SignedListHead> insert_signed_lists;
  // Each at the version that was read, 0 for a new one; the store raises it.
  std::vector<PhoneCluster> put_clusters;
  std::vector<ListSigner> insert_signers;  // one that is there stays as it is
  std::vector<ListSigner> update_signers;
  std::vector<Procedure> put_procedures;  // versions as with clusters
  // Versions as with clusters.
  std::vector<AuthorityGeneration> put_authorities;
  std::vector<KnownConsumer> put_consumers;  // made or replaced
  std::optional<int64_t> set_fips_mode;
  std::vector<AuditEvent> audit;  // never empty: nothing happens unrecorded
};

// What became of several changes in one transaction.
struct StoreApplied {
  std::vector<absl::Status> results;  // one for each change
  std::vector<AuditRecord> audit;     // as they were chained
  int64_t trust_version = 0;          // after them
};

// What a listing asks for: names after `after`, at most `limit`.
struct Page {
  std::string tenant;  // empty: all
  std::string after;
  size_t limit = 50;
};

// Thread-safe.
class EnrollmentStore {
 public:
  virtual ~EnrollmentStore() = default;

  // Makes the changes in order, in one transaction: a change that is refused
  // leaves the others as they are. Durable when it returns. ALREADY_EXISTS
  // with reason ENROLLMENT_EXISTS, DEVICE_EXISTS, SERIAL_EXISTS,
  // REQUEST_EXISTS, TRUSTED_EXISTS, PROCEDURE_RUNNING, or KEY_REUSED if a
  // certificate's key is that of another name; ABORTED, reason ETAG_MISMATCH,
  // if something is not as expected, or AUTHORITY_SUPERSEDED if a certificate's
  // authority issues no more. An error of the whole, such as
  // UNAVAILABLE, reason STORE_UNAVAILABLE: nothing was written; with
  // STORE_OUTCOME_UNKNOWN all or nothing was.
  virtual absl::StatusOr<StoreApplied> ApplyAll(
      absl::Span<const StoreChange* const> changes, absl::Time now) = 0;
  // The same for one.
  absl::Status Apply(const StoreChange& change, absl::Time now) {
    const StoreChange* const one = &change;
    const absl::StatusOr<StoreApplied> applied = ApplyAll({&one, 1}, now);
    return applied.ok() ? applied->results[0] : applied.status();
  }

  virtual absl::StatusOr<std::optional<Enrollment>> GetEnrollment(
      const std::string& name) = 0;
  virtual absl::StatusOr<std::optional<Enrollment>> FindDevice(
      const std::string& device_name) = 0;
  virtual absl::StatusOr<std::vector<Enrollment>> ListEnrollments(
      const Page& page) = 0;
  virtual absl::StatusOr<int64_t> CountPendingEnrollments() = 0;

  virtual absl::StatusOr<std::optional<CertificateRecord>> GetCertificate(
      const std::string& serial) = 0;
  virtual absl::StatusOr<std::optional<CertificateRecord>> FindRequest(
      const std::string& request_key) = 0;
  // Every record that bears this key.
  virtual absl::StatusOr<std::vector<CertificateRecord>> FindKey(
      const std::string& key_sha256) = 0;
  // Without intents and abandoned ones; in order of serial, or of creation if a
  // tenant is given. `after` is a serial; nothing comes after an unknown one
  // of a tenant.
  virtual absl::StatusOr<std::vector<CertificateRecord>> ListCertificates(
      const Page& page) = 0;
  virtual absl::StatusOr<std::vector<CertificateRecord>> ListIntents() = 0;
  // Revoked, and not expired at `now`.
  virtual absl::StatusOr<std::vector<CertificateRecord>> ListRevoked(
      absl::Time now) = 0;

  // Of the complete lists of that authority which are in force at `now` the
  // oldest: a delta list on top of it serves whoever holds any of them.
  virtual absl::StatusOr<std::optional<SignedListHead>> OldestListInForce(
      const std::string& authority, absl::Time now) = 0;

  // In use, and expiring at `until` or before.
  virtual absl::StatusOr<std::vector<CertificateRecord>> ListExpiring(
      absl::Time until) = 0;

  virtual absl::StatusOr<std::vector<TrustedCertificate>> ListTrusted() = 0;
  // Raised by every change of trust or revocation.
  virtual absl::StatusOr<int64_t> TrustVersion() = 0;

  // The newest of a kind first, at most `limit`.
  virtual absl::StatusOr<std::vector<PublishedList>> ListPublished(
      const std::string& tenant, TrustListKind kind, size_t limit) = 0;
  // In order of device; of those that have an enrollment.
  virtual absl::StatusOr<std::vector<PhoneLists>> ListPhoneLists(
      const std::string& tenant) = 0;
  virtual absl::StatusOr<std::optional<PhoneLists>> GetPhoneLists(
      const std::string& device) = 0;

  virtual absl::StatusOr<std::optional<PhoneCluster>> GetCluster(
      const std::string& tenant) = 0;
  // Tenants that have one, in order.
  virtual absl::StatusOr<std::vector<std::string>> ListClusters() = 0;
  // In order of age. Of all tenants if `tenant` is empty.
  virtual absl::StatusOr<std::vector<ListSigner>> ListSigners(
      const std::string& tenant) = 0;

  virtual absl::StatusOr<std::optional<Procedure>> GetProcedure(
      const std::string& name) = 0;
  virtual absl::StatusOr<std::optional<Procedure>> FindProcedureRequest(
      const std::string& request_key) = 0;
  virtual absl::StatusOr<std::vector<Procedure>> ListProcedures(
      const Page& page) = 0;
  // In order of authority and generation.
  virtual absl::StatusOr<std::vector<AuthorityGeneration>>
  ListAuthorities() = 0;
  virtual absl::StatusOr<int64_t> CountLive(const LiveCertificates& which,
                                            absl::Time now) = 0;
  // In order of serial, after `after`.
  virtual absl::StatusOr<std::vector<CertificateRecord>> ListLive(
      const LiveCertificates& which, absl::Time now, const std::string& after,
      size_t limit) = 0;
  // In order of name.
  virtual absl::StatusOr<std::vector<KnownConsumer>> ListConsumers() = 0;
  // Open ones that go on by themselves, in order of name.
  virtual absl::StatusOr<std::vector<Procedure>> ListAutomaticProcedures() = 0;
  // 0: off; 1: on. What is to be; a process says itself what it runs in.
  virtual absl::StatusOr<int64_t> FipsMode() = 0;

  // Events after `after` in order, or, with `before` above zero, those before
  // it, the newest first. Of all tenants if `tenant` is empty.
  virtual absl::StatusOr<std::vector<CertificateEvent>> ListEvents(
      const std::string& tenant, int64_t after, int64_t before,
      size_t limit) = 0;
  virtual absl::StatusOr<std::vector<ExpiryProgress>> ListProgress() = 0;
  // In order of peer.
  virtual absl::StatusOr<std::vector<PeerChain>> ListPeerChains(
      const std::string& store) = 0;

  // In order of URL, without their contents.
  virtual absl::StatusOr<std::vector<FetchedList>> ListFetchedLists() = 0;
  virtual absl::StatusOr<std::optional<FetchedList>> GetFetchedList(
      const std::string& url) = 0;

  // Records after `sequence`, in order.
  virtual absl::StatusOr<std::vector<AuditRecord>> ReadAudit(int64_t sequence,
                                                             size_t limit) = 0;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_ENROLLMENT_STORE_H_
