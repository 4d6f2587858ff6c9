// The RPCs about phone clusters, trust lists and phone files, between proto and
// io.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_TRUST_LIST_METHODS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_TRUST_LIST_METHODS_H_

#include <string>

#include "absl/status/status.h"
#include "sallyport/capf/v1/phone_cluster.pb.h"
#include "sallyport/capf/v1/phone_file.pb.h"
#include "sallyport/capf/v1/trust_list.pb.h"
#include "services/capf/io/dialplan_mode.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/phone_files.h"
#include "services/capf/io/trust_list_publisher.h"
#include "services/capf/rpc/capf_convert.h"

namespace sallyport::capf {

// Access is checked by then. Where no lists are configured, what needs a
// signer is FAILED_PRECONDITION, reason TRUST_LISTS_NOT_CONFIGURED; reading
// and verifying works. On the work thread only.
class TrustListMethods {
 public:
  // All must outlive this object; all but `ledger` may be null, and those in
  // between together.
  TrustListMethods(Ledger& ledger, TrustListPublisher* publisher,
                   const TrustListFiles* files, PhoneFileMaker* maker,
                   DialplanMode* dialplan)
      : ledger_(ledger),
        publisher_(publisher),
        files_(files),
        maker_(maker),
        dialplan_(dialplan) {}

  absl::Status GetCluster(const pb::GetPhoneClusterRequest& request,
                          pb::PhoneCluster& response);
  absl::Status UpdateCluster(const pb::UpdatePhoneClusterRequest& request,
                             const std::string& actor,
                             pb::PhoneCluster& response);

  absl::Status Publish(const pb::PublishTrustListRequest& request,
                       const std::string& actor, pb::TrustList& response);
  absl::Status Get(const pb::GetTrustListRequest& request,
                   pb::TrustList& response);
  absl::Status List(const pb::ListTrustListsRequest& request,
                    pb::ListTrustListsResponse& response);
  absl::Status Verify(const pb::VerifyTrustListRequest& request,
                      pb::VerifyTrustListResponse& response);
  absl::Status Simulate(const pb::SimulateTrustListRequest& request,
                        pb::SimulateTrustListResponse& response);
  absl::Status GetFile(const pb::GetPhoneFileRequest& request,
                       pb::PhoneFile& response);
  absl::Status ListFiles(const pb::ListPhoneFilesRequest& request,
                         pb::ListPhoneFilesResponse& response);

 private:
  // What dialplan says of the same cluster's mode.
  void AddDialplanMode(const PhoneCluster& cluster,
                       pb::PhoneCluster& response) const;

  Ledger& ledger_;
  TrustListPublisher* const publisher_;
  const TrustListFiles* const files_;
  PhoneFileMaker* const maker_;
  DialplanMode* const dialplan_;  // null: none is configured
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_TRUST_LIST_METHODS_H_
