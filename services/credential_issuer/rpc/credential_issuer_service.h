// CredentialIssuerService of sallyport.credential_issuer.v1.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_CREDENTIAL_ISSUER_SERVICE_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_CREDENTIAL_ISSUER_SERVICE_H_

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "sallyport/type/v1/certificate_summary.pb.h"
#include "services/common/metrics/metrics.h"
#include "services/common/random/random_source.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/time/clock.h"
#include "services/credential_issuer/core/issue_policy.h"
#include "services/credential_issuer/core/issuer.h"
#include "services/credential_issuer/core/mras_message.h"
#include "services/credential_issuer/core/relay_directory.h"
#include "services/credential_issuer/io/audit_log.h"
#include "services/credential_issuer/io/issuer_keeper.h"
#include "services/credential_issuer/io/metrics_table.h"
#include "services/credential_issuer/rpc/consumer_registry.h"
#include "services/credential_issuer/rpc/key_watch.h"

namespace sallyport::credential_issuer {

// gRPC in, core, gRPC out. Commands wait for the store, a few milliseconds, on
// the gRPC thread that brought them. A credential is made at once, and handed
// out by the audit's thread when its record is durable: without it there is
// none. Thread-safe.
class CredentialIssuerService final
    : public v1::CredentialIssuerService::CallbackService {
 public:
  // All of them outlive this object.
  struct Parts {
    const AccessPolicy& policy;
    IssuerKeeper& keeper;
    KeyWatch& watch;
    ConsumerRegistry& consumers;
    AuditLog& audit;
    AuditSink& audit_records;
    const Clock& clock;
    RandomSource& random;  // Thread-safe
    MetricsRegistry& metrics;
    // Of GetStatus: the store, and the service's own certificate.
    std::function<v1::StoreState()> store_state;
    std::function<type::v1::CertificateSummary()> certificate;
  };
  struct Options {
    std::string realm;
    std::string instance;
    std::string identity;  // own SPIFFE ID, for GetStatus
    IssueLimits limits;
  };

  CredentialIssuerService(const Options& options, const Parts& parts);

  // Credentials are refused with UNAVAILABLE, DRAINING from now on.
  void Drain() { draining_ = true; }
  // Rates begin anew with `limits`.
  void SetLimits(const IssueLimits& limits);

  grpc::ServerUnaryReactor* IssueTurnCredential(
      grpc::CallbackServerContext* context,
      const v1::IssueTurnCredentialRequest* request,
      v1::TurnCredential* response) override;
  grpc::ServerUnaryReactor* IssueMrasCredentials(
      grpc::CallbackServerContext* context,
      const v1::IssueMrasCredentialsRequest* request,
      v1::IssueMrasCredentialsResponse* response) override;
  grpc::ServerUnaryReactor* RevokeCredential(
      grpc::CallbackServerContext* context,
      const v1::RevokeCredentialRequest* request,
      v1::Revocation* response) override;
  grpc::ServerUnaryReactor* RevokeUser(grpc::CallbackServerContext* context,
                                       const v1::RevokeUserRequest* request,
                                       v1::Revocation* response) override;
  grpc::ServerUnaryReactor* ListRevocations(
      grpc::CallbackServerContext* context,
      const v1::ListRevocationsRequest* request,
      v1::ListRevocationsResponse* response) override;
  grpc::ServerUnaryReactor* GetKey(grpc::CallbackServerContext* context,
                                   const v1::GetKeyRequest* request,
                                   v1::Key* response) override;
  grpc::ServerUnaryReactor* ListKeys(grpc::CallbackServerContext* context,
                                     const v1::ListKeysRequest* request,
                                     v1::ListKeysResponse* response) override;
  grpc::ServerUnaryReactor* RotateKey(grpc::CallbackServerContext* context,
                                      const v1::RotateKeyRequest* request,
                                      v1::Key* response) override;
  grpc::ServerUnaryReactor* RevokeKey(grpc::CallbackServerContext* context,
                                      const v1::RevokeKeyRequest* request,
                                      v1::Key* response) override;
  grpc::ServerWriteReactor<v1::WatchVerificationKeysResponse>*
  WatchVerificationKeys(
      grpc::CallbackServerContext* context,
      const v1::WatchVerificationKeysRequest* request) override;
  grpc::ServerUnaryReactor* ReportKeysVersion(
      grpc::CallbackServerContext* context,
      const v1::ReportKeysVersionRequest* request,
      v1::ReportKeysVersionResponse* response) override;
  grpc::ServerUnaryReactor* ListAuditRecords(
      grpc::CallbackServerContext* context,
      const v1::ListAuditRecordsRequest* request,
      v1::ListAuditRecordsResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::IssuerStatus* response) override;

 private:
  using Context = grpc::CallbackServerContext;

  // A credential, the relays for it, and the record without which it must not
  // go out.
  struct Minted {
    IssuedCredential credential;
    std::vector<RelayAddress> relays;
    AuditRecord record;
  };
  // Who asks, how often, and from where.
  struct Asker {
    std::string caller;
    std::string request_id;
    ClientNetwork network = ClientNetwork::kUnknown;
    std::string location;
    bool by_mras = false;
  };
  absl::StatusOr<Minted> Mint(const Asker& asker, const IssueRequest& request);
  // A credential that clients of MRAS can carry.
  absl::StatusOr<IssuedCredential> IssueForMras(const IssueRequest& request,
                                                absl::Time now);
  // Fills the answer.
  absl::StatusOr<AuditRecord> Issue(
      const Context& context, const v1::IssueTurnCredentialRequest& request,
      v1::TurnCredential* response);
  // The reason, and with kOk the credentials in the order of `mras`.
  MrasReason MintAll(const Asker& asker,
                     const v1::IssueMrasCredentialsRequest& request,
                     const std::string& tenant, const MrasRequest& mras,
                     std::vector<Minted>* out);
  absl::StatusOr<ParsedMras> CheckMras(
      const Context& context, const v1::IssueMrasCredentialsRequest& request,
      Asker* asker);
  absl::Status DoRevokeCredential(const Context& context,
                                  const v1::RevokeCredentialRequest& request,
                                  v1::Revocation* response);
  absl::Status DoRevokeUser(const Context& context,
                            const v1::RevokeUserRequest& request,
                            v1::Revocation* response);
  absl::Status DoListRevocations(const Context& context,
                                 const v1::ListRevocationsRequest& request,
                                 v1::ListRevocationsResponse* response) const;
  absl::Status DoGetKey(const Context& context,
                        const v1::GetKeyRequest& request,
                        v1::Key* response) const;
  absl::Status DoListKeys(const Context& context,
                          const v1::ListKeysRequest& request,
                          v1::ListKeysResponse* response) const;
  absl::Status DoRotateKey(const Context& context,
                           const v1::RotateKeyRequest& request,
                           v1::Key* response);
  absl::Status DoRevokeKey(const Context& context,
                           const v1::RevokeKeyRequest& request,
                           v1::Key* response);
  absl::Status DoReport(const Context& context,
                        const v1::ReportKeysVersionRequest& request,
                        v1::ReportKeysVersionResponse* response);
  absl::Status DoListAuditRecords(const Context& context,
                                  const v1::ListAuditRecordsRequest& request,
                                  v1::ListAuditRecordsResponse* response) const;
  absl::Status DoGetStatus(const Context& context,
                           v1::IssuerStatus* response) const;

  AuditRecord RecordOf(std::string_view event,
                       std::initializer_list<LogField> fields) const;
  // Of a command, which is durable already: waits, and goes on without.
  void Audit(std::string_view tenant, std::string_view credential_id,
             std::string_view subject, std::string_view event,
             std::initializer_list<LogField> fields);

  const Options options_;
  const Parts parts_;
  const absl::Time start_time_;
  const CounterFamily issues_;
  const CounterFamily mras_requests_;
  std::atomic<bool> draining_ = false;
  std::atomic<uint64_t> issued_ = 0;
  absl::Mutex rate_mutex_;
  IssueRate rate_ ABSL_GUARDED_BY(rate_mutex_);
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_RPC_CREDENTIAL_ISSUER_SERVICE_H_
