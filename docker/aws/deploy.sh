#!/bin/sh
# Installs a release: the cluster, the migrations as one task, and only then the processes.
#   docker/aws/deploy.sh parameters.json
# The file is made of parameters.example.json; `aws` and its credentials have to be there.
set -eu
cd "$(dirname "$0")/../.."

parameters="${1:?name the file of parameters: docker/aws/deploy.sh parameters.json}"
SERVERS_STACK=notifications-servers
SETUP_STACK=notifications-setup
PROCESSES_STACK=notifications-processes

# What a template does not know of the file is ignored by this command.
deploy() {
    aws cloudformation deploy --stack-name "$1" --template-file "docker/aws/$2" \
        --parameter-overrides "file://$parameters" --no-fail-on-empty-changeset \
        --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND
}

output() {
    aws cloudformation describe-stacks --stack-name "$1" --output text \
        --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue"
}

deploy "$SETUP_STACK" setup.yaml
cluster="$(output "$SETUP_STACK" Cluster)"
network="subnets=[$(output "$SETUP_STACK" Subnets)]"
network="$network,securityGroups=[$(output "$SERVERS_STACK" ProcessesGroup)]"
network="$network,assignPublicIp=$(output "$SETUP_STACK" AssignPublicIp)"
task="$(aws ecs run-task --cluster "$cluster" --launch-type FARGATE \
    --task-definition "$(output "$SETUP_STACK" SetupTask)" \
    --network-configuration "awsvpcConfiguration={$network}" \
    --query 'tasks[0].taskArn' --output text)"

asked() {
    aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --output text --query "tasks[0].$1"
}

echo "Waiting for the migrations: $task"
until [ "$(asked lastStatus)" = STOPPED ]; do sleep "${POLL_SECONDS:-10}"; done
status="$(asked 'containers[0].exitCode')"
if [ "$status" != 0 ]; then
    echo "The migrations failed ($status: $(asked stoppedReason)). No process was changed." >&2
    echo "Their log is in CloudWatch, in the log group of the stack $SETUP_STACK." >&2
    exit 1
fi

deploy "$PROCESSES_STACK" processes.yaml
