// Trust lists as text for an operator.

#ifndef SALLYPORT_TOOLS_CLI_CTL_TEXT_H_
#define SALLYPORT_TOOLS_CLI_CTL_TEXT_H_

#include <string>

#include "services/capf/core/trust_list.h"

namespace sallyport::cli {

// The sums that phones show and documents compare (CUC-81): "md5 ...\nsha1
// ...\n".
std::string ChecksumText(const std::string& file);

// Header, sums and a table of the records.
std::string ListText(const capf::ParsedTrustList& parsed,
                     const std::string& file);

// The record of a call manager (role 1 or 2) with that DNS name or address in
// text, as the voicemail server of the documents looks for it (CUC-80); null
// if there is none.
const capf::TrustListRecord* FindCallManager(const capf::TrustList& list,
                                             const std::string& server);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CTL_TEXT_H_
