#include "services/common/pki/path_verifier.h"

#include <utility>

#include "services/common/pki/path_search.h"
#include "services/common/pki/signature_memo.h"
#include "services/common/status/status_macros.h"

namespace sallyport {

absl::StatusOr<std::shared_ptr<const PathVerifier>> PathVerifier::Create(
    absl::Span<const std::string> anchors_der,
    std::shared_ptr<SignatureMemo> memo) {
  std::shared_ptr<PathVerifier> out(new PathVerifier());
  out->memo_ = std::move(memo);
  for (const std::string& der : anchors_der) {
    if (!out->anchor_der_.insert(der).second) continue;
    SP_ASSIGN_OR_RETURN(CertificateRef anchor,
                        ParseWholeCertificate(AsBytes(der)));
    out->by_subject_[anchor->subject_key].push_back(out->anchors_.size());
    out->anchors_.push_back(std::move(anchor));
  }
  return std::shared_ptr<const PathVerifier>(std::move(out));
}

PathResult PathVerifier::Verify(const PathQuery& query,
                                const PathRules& rules) const {
  return PathSearch(*this, query, rules).Run();
}

}  // namespace sallyport
