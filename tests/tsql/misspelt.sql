-- fails: 2017 2022 2025
SELEC seq FROM kaizen.events;
