// Makes, checks, simulates and publishes the trust lists of phones, each
// tenant's by its own signers.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TRUST_LIST_PUBLISHER_H_
#define SALLYPORT_SERVICES_CAPF_IO_TRUST_LIST_PUBLISHER_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/phone_trust.h"
#include "services/capf/core/published_list.h"
#include "services/capf/core/trust_list_plan.h"
#include "services/capf/core/trust_list_record.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/list_signers.h"

namespace sallyport::capf {

struct TrustListOptions {
  std::string default_tenant;  // of files that name no device
  // Where phones find this service, unless their cluster says otherwise.
  std::string host;
  std::string capf_certificate;  // that it shows there, DER
  bool tvs = false;              // it verifies trust there too
  // Nothing is signed with SHA-1 (FIPS mode).
  bool sha512_only = false;
};

// One kind of list, in each form that some phone needs.
struct Publication {
  std::vector<PublishedList> lists;  // the form of unknown phones first
  TrustListSimulation simulation;
  bool unchanged = false;  // what is out says the same; nothing was done
};

// Lists that were made, signed and simulated, and what stores them. Whoever
// has it may add to the change what must happen with it.
struct PreparedPublication {
  std::string tenant;
  StoreChange change;
  std::vector<Publication> publications;
};

struct PublishOptions {
  bool force = false;    // although phones would be locked out
  bool reissue = false;  // although what is out says the same
  std::string actor;
};

// Phones that a question is about.
enum class HeldLists {
  kNewest,       // as they fetched last
  kAllPossible,  // or the time before: a fetch is no proof
};

// Most phones that a simulation names.
inline constexpr size_t kMaxListedPhones = 1000;

// Thread-compatible.
class TrustListPublisher {
 public:
  // `signers` and `ledger` must outlive this object.
  TrustListPublisher(TrustListOptions options, ListSigners& signers,
                     Ledger& ledger)
      : options_(std::move(options)), signers_(signers), ledger_(ledger) {}

  // Called with all forms of a list that went out, and with those of a former
  // run.
  using OnPublished = std::function<void(const std::vector<PublishedList>&)>;
  absl::Status Serve(OnPublished on_published);
  // The same again for what another replica has published meanwhile.
  absl::Status Refresh();

  // All forms of the newest list of a kind; empty if there is none.
  absl::StatusOr<std::vector<PublishedList>> Current(const std::string& tenant,
                                                     TrustListKind kind);

  // What the tenant's lists are made from, with signers, which are made if
  // there are none. FAILED_PRECONDITION, reason TENANT_WITHOUT_PHONES, if no
  // cluster was set.
  absl::StatusOr<ClusterState> State(const std::string& tenant);

  // Makes the lists of `next`, reads them with the reader that had no part in
  // writing them, and replays the phones' rule over every phone of the tenant,
  // in every order in which it may meet them. FAILED_PRECONDITION, reason
  // PHONES_LOCKED_OUT, names the first phones that would not take it, unless
  // forced.
  absl::StatusOr<PreparedPublication> Prepare(
      const ClusterState& next, const std::vector<TrustListKind>& kinds,
      const PublishOptions& options);
  // Stores and serves it.
  absl::Status Commit(const PreparedPublication& prepared);

  // Both for the cluster as it is.
  absl::StatusOr<Publication> Publish(const std::string& tenant,
                                      TrustListKind kind,
                                      const PublishOptions& options,
                                      bool validate_only);
  // Sets the cluster and publishes both of its lists, together or not at all.
  absl::StatusOr<PreparedPublication> PublishCluster(
      const PhoneCluster& cluster, const PublishOptions& options,
      bool validate_only);
  // The certificate of our own ports changed: it is in every list.
  absl::Status SetCapfCertificate(const std::string& der);

  // What would become of the tenant's phones with this file.
  absl::StatusOr<TrustListSimulation> Simulate(const std::string& tenant,
                                               ByteSpan file);
  // Phones that do not hold this signer's certificate (DER) in a list, and so
  // would need somebody else's word for what it signs.
  absl::StatusOr<TrustListSimulation> PhonesWithout(
      const std::string& tenant, const std::string& signer_certificate,
      HeldLists held);

  // Phones whose newest lists do not name this certificate (DER) of the CAPF
  // port. One that asked for lists in a phone's name deceives it: that phone
  // fetches lists again before it comes, and takes them, as it knows who signs.
  absl::StatusOr<TrustListSimulation> PhonesWithoutCapf(
      const std::string& tenant, const std::string& certificate);
  // What lists name with authorities as they are in `all`.
  std::vector<std::string> CapfCertificatesOf(
      const std::vector<AuthorityGeneration>& all) const;
  // The certificate that our ports show, DER.
  const std::string& capf_certificate() const {
    return options_.capf_certificate;
  }

  // A phone was sent the list with this SHA-1 by its own name. Only phones
  // with an enrollment are remembered, and only what is new.
  absl::Status RecordFetch(const std::string& device, TrustListKind kind,
                           const std::string& sha1);

  // What phones of the tenant may meet as the cluster's, by certificate.
  absl::StatusOr<std::map<std::string, std::vector<TrustListRole>>>
  OwnCertificates(const std::string& tenant);

  // With which digest a phone of the model gets its files.
  SignedFileDigest DigestOf(const PhoneCluster& cluster,
                            std::string_view model) const;
  // Where phones find this service.
  std::string HostOf(const PhoneCluster& cluster) const {
    return cluster.host.empty() ? options_.host : cluster.host;
  }
  const std::string& default_tenant() const { return options_.default_tenant; }

  // A `.sgn` file of `payload`, by the tenant's key of role TFTP.
  absl::StatusOr<std::string> SignPhoneFile(const std::string& tenant,
                                            std::string_view file_name,
                                            std::string_view payload,
                                            SignedFileDigest digest);

 private:
  // What the phones of a tenant hold.
  struct Held;

  std::vector<SignedFileDigest> Digests(const PhoneCluster& cluster) const;
  absl::StatusOr<std::string> Compose(TrustListKind kind,
                                      SignedFileDigest digest,
                                      const ClusterState& state);
  ServedCertificates Served(const ClusterState& state) const;
  absl::StatusOr<std::vector<std::string>> CapfCertificates();
  absl::StatusOr<Held> ReadHeld(const std::string& tenant);
  std::vector<PhoneTrustState> StatesOf(
      const Held& held, const ClusterState& state,
      const std::function<bool(const PhoneLists&)>& counts,
      HeldLists which) const;
  absl::Status Simulate(const ClusterState& next, const Held& held,
                        const std::vector<TrustListKind>& kinds,
                        const std::vector<std::vector<PublishedList>>& made,
                        std::vector<TrustListSimulation>& out);

  TrustListOptions options_;
  ListSigners& signers_;
  Ledger& ledger_;
  OnPublished on_published_;
  // SHA-1 of what is out, by tenant and kind.
  std::map<std::pair<std::string, TrustListKind>, std::string> served_;
  std::map<std::string, ClusterState> states_;  // as last read
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TRUST_LIST_PUBLISHER_H_
