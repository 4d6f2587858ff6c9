// Consumers as the API shows them, of all replicas together.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_CONSUMER_STATUS_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_CONSUMER_STATUS_H_

#include <string>
#include <vector>

#include "sallyport/dialplan/v1/dialplan_status.pb.h"
#include "services/dialplan/rpc/consumer_table.h"

namespace sallyport::dialplan {

// Adds those that `replica` knows.
void AddConsumers(const std::vector<ConsumerState>& states,
                  const std::string& replica,
                  ::sallyport::dialplan::v1::DialplanStatus& out);

// Adds each consumer once, by identity and instance id: connected where one
// replica has its stream, with its newest report, which may have gone to
// another. Pure.
void MergeConsumers(
    const std::vector<::sallyport::dialplan::v1::DialplanStatus>& seen,
    ::sallyport::dialplan::v1::DialplanStatus& out);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_CONSUMER_STATUS_H_
