// What an operator reads of a phone cluster.
#ifndef SALLYPORT_TOOLS_CLI_CLUSTER_TEXT_H_
#define SALLYPORT_TOOLS_CLI_CLUSTER_TEXT_H_

#include <string>

#include "sallyport/capf/v1/phone_cluster.pb.h"

namespace sallyport::cli {

// Which security mode the dial plan has for the cluster, and whether it is the
// same: "mixed, the same". One line, without its end. Pure.
std::string DialplanModeText(
    const ::sallyport::capf::v1::PhoneCluster& cluster);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CLUSTER_TEXT_H_
