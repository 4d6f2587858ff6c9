// One search for a path; see path_verifier.h.

#ifndef SALLYPORT_SERVICES_COMMON_PKI_PATH_SEARCH_H_
#define SALLYPORT_SERVICES_COMMON_PKI_PATH_SEARCH_H_

#include <openssl/evp.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "services/common/pki/path_verifier.h"

namespace sallyport {

// Depth first, from the leaf up, anchors before others, matching key
// identifiers before the rest. Lives for one call. Thread-compatible.
class PathSearch {
 public:
  PathSearch(const PathVerifier& verifier, const PathQuery& query,
             const PathRules& rules)
      : verifier_(verifier), query_(query), rules_(rules) {}

  PathResult Run();

 private:
  struct Fault {
    absl::Status status;
    size_t at = 0;
  };

  // Goes on from the last of path_; true: a good path was found.
  bool Extend();
  // Who may have issued `child`: anchors first.
  std::vector<CertificateRef> IssuersOf(const ParsedCertificate& child) const;
  bool IsAnchor(const ParsedCertificate& certificate) const;
  // Whether it is in path_ by name and key (RFC 4158 section 5.2).
  bool InPath(const ParsedCertificate& certificate) const;
  absl::Status CheckSignature(const CertificateRef& child,
                              const CertificateRef& issuer);
  // Has the signatures of path_, which is good, remembered.
  void Note();
  // The key of a certificate, read once.
  absl::StatusOr<EVP_PKEY*> KeyOf(const ParsedCertificate& certificate);

  // Checks path_, which ends in an anchor, from the top down.
  Fault CheckPath();
  absl::Status CheckOne(size_t at) const;
  // Whether all of the path up to there may be used so.
  bool MayBeUsed(std::string_view usage, size_t at) const;
  absl::Status CheckLeafUse(const ParsedCertificate& leaf) const;
  absl::Status CheckIssuerUse(const ParsedCertificate& issuer,
                              size_t intermediates_below) const;
  absl::Status CheckForm(const ParsedCertificate& certificate, size_t at) const;
  absl::Status CheckRevoked(size_t at);
  // Whether the list is signed by a member of path_ above `at`, or by another
  // certificate of its issuer's name, given or in the trust store, on a path of
  // its own to an anchor that path_ leads to (RFC 5280 section 6.3.3 (f)).
  bool CrlIsSigned(const ParsedCrl& crl, size_t at);
  bool IsListSigner(const CertificateRef& signer);
  // A path of `first`, though that be an anchor itself, for no use.
  PathResult PathAbove(const CertificateRef& first);
  // Whether path_ leads there: it ends there, or its anchor has a path of its
  // own to that one, and the trust store holds both.
  bool LeadsTo(const ParsedCertificate& anchor);

  // Keeps the fault that says most.
  void Remember(std::string_view reason, std::string_view message, size_t at);
  void Remember(Fault fault);

  const PathVerifier& verifier_;
  const PathQuery& query_;
  const PathRules& rules_;
  // The first certificate is to have a path, though it is an anchor itself.
  bool first_is_no_anchor_ = false;
  std::vector<CertificateRef> path_;
  size_t steps_ = 0;
  size_t signatures_ = 0;
  bool exhausted_ = false;
  int best_rank_ = -1;
  PathResult best_;
  std::map<std::pair<const ParsedCertificate*, const ParsedCertificate*>,
           absl::Status>
      checked_;
  absl::flat_hash_map<const ParsedCertificate*, bssl::UniquePtr<EVP_PKEY>>
      keys_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_PATH_SEARCH_H_
