// The cluster that the phones of one tenant belong to: where they register,
// how securely, and who signs what they are told.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_PHONE_CLUSTER_H_
#define SALLYPORT_SERVICES_CAPF_CORE_PHONE_CLUSTER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/capf/core/signed_file_header.h"
#include "services/capf/core/trust_list.h"
#include "services/capf/core/trust_list_plan.h"

namespace sallyport::capf {

// A phone's file names five at most.
inline constexpr size_t kMaxCallManagers = 5;
inline constexpr size_t kMaxModels = 200;

struct ClusterNode {
  PhoneNode node;
  uint16_t sip_port = 5060;
  uint16_t secured_sip_port = 5061;

  bool operator==(const ClusterNode&) const = default;
};

// A value. Thread-compatible.
struct PhoneCluster {
  std::string tenant;
  // Host name or address by which phones reach this service. Empty: as the
  // configuration file says.
  std::string host;
  std::vector<ClusterNode> call_managers;
  ClusterSecurityMode mode = ClusterSecurityMode::kNonSecure;
  // Files are signed with SHA-512 for all; else for the models named, as old
  // phones verify SHA-1 only.
  bool sha512 = false;
  std::vector<std::string> sha512_models;  // sorted
  // Its nodes are those of the configuration file: no operator set others.
  bool from_configuration = false;
  int64_t version = 0;  // rises with every write; the etag. 0: not stored

  bool operator==(const PhoneCluster&) const = default;
};

// kInvalidArgument, reason PHONE_CLUSTER_INVALID, names every fault: no call
// manager or more than five, names that are none or come twice, certificates
// that cannot be read or are no RSA or EC key that phones know, models that
// are empty or unprintable.
absl::Status CheckPhoneCluster(const PhoneCluster& cluster);

// With which digest a phone of `model` is given its files.
SignedFileDigest DigestFor(const PhoneCluster& cluster, std::string_view model);

// The digests that some phone may need, the one of phones without a model
// first.
std::vector<SignedFileDigest> DigestsOf(const PhoneCluster& cluster);

// What a signer of lists does.
enum class ListSignerState {
  kFresh = 0,    // made, but in no list yet
  kStandby = 1,  // in the lists, so that it can take over
  kSigning = 2,
  kRetired = 3,  // in no list any more; its private key is gone
  kFiles = 4,    // role TFTP: signs configuration files, never lists
  // In the lists with that role, so that it can take over.
  kFilesNext = 5,
};

// "FRESH", "STANDBY" and so on; stable.
std::string_view ListSignerStateName(ListSignerState state);

// A value. Thread-compatible.
struct ListSigner {
  std::string tenant;
  std::string id;  // "sast-1", "files-1"
  ListSignerState state = ListSignerState::kFresh;
  std::string key_pem;          // encrypted PKCS #8; empty once retired
  std::string certificate_der;  // empty until it is issued
  absl::Time create_time = absl::UnixEpoch();

  bool operator==(const ListSigner&) const = default;
};

// Everything that a tenant's lists are made from.
struct ClusterState {
  PhoneCluster cluster;
  std::vector<ListSigner> signers;
  // Certificates of the CAPF port (DER): the one that it shows, then others
  // that it showed or is to show. None: as the publisher was told.
  std::vector<std::string> capf_certificates;

  // Null if there is none in that state; the newest, if there are several.
  const ListSigner* In(ListSignerState state) const;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_PHONE_CLUSTER_H_
