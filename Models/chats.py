"""The wording of the chats that are made around the stories."""

STORY_REQUESTS = [
    "Tell me a story about {}.", "Tell me a story about {}.", "Tell me a story about {}.",
    "Tell me a short story about {}.", "Write a short story about {}.", "Write a story about {}.",
    "Write me a story about {}.", "Can you tell me a story about {}?", "Please tell me a story about {}.",
    "Could you tell me a story about {}, please?", "I would like to hear a story about {}.", "Tell me a bedtime story about {}.",
    "Tell me a short children's story about {}.", "A story about {}, please!", "Do you know a story about {}?",
    "Once more! A story about {}.", "tell me a story about {}", "write a short story about {}", "Story about {}"]
ANY_STORY = [
    "Tell me a story.", "Tell me a story.", "Tell me a short story.", "Tell me a children's story.", "tell me a story",
    "Tell me a short story for children.", "Can you tell me a bedtime story?", "Can you tell me a story?",
    "Please tell me a bedtime story.", "I want to hear a story!", "Write a short story.", "Write a story for children.",
    "Tell me another story.", "Tell me a story, please.", "Tell me something nice.", "Tell me a story with a happy ending."]
CONTINUE = [
    "Continue this story: {}", "Continue this story:\n\n{}", "Please continue this story: {}", "Finish this story: {}",
    "How does this story go on? {}", "Continue the story: {}", "Here is the beginning of a story: {}\n\nPlease continue it.",
    "{}\n\nWhat happens next?"]
NEXT = ["What happens next?", "What happened next?", "And then?", "Go on!", "Please go on.", "Continue.", "Continue the story.",
        "How does the story end?", "Tell me more!", "more", "And then what happened?"]
SYSTEM_PROMPTS = [
    "You are a helpful assistant.", "You are a helpful assistant.", "You tell stories for children.", "You are a storyteller.",
    "You are a kind storyteller. Tell short stories that a child understands.", "You are a friendly assistant who tells stories.",
    "Be kind and use simple words."]

_HELLO = "Hello! I am a small storyteller. Would you like to hear a story? Tell me what it should be about."
_WHO = ("I am the demo model of Hadal, a very small language model. I learned to speak from children's stories, and "
        "stories are all I know. Ask me for one!")
_CAN = ("I can tell you a short story. Tell me what it should be about, a dog or a boat or a brave girl. You can also "
        "give me the beginning of a story, and I will tell you how it goes on.")
_THANKS = "You are welcome! I am happy that you listened. Would you like to hear another story?"
_BYE = "Goodbye! Come back soon, and I will tell you another story."
_FINE = "I am very well, thank you! I have many stories to tell. Would you like to hear one?"
_SORRY = "I am sorry, I do not know that. I am a very small model and only know stories. Would you like to hear one?"
_ANSWERS = {
    _HELLO: ["Hello!", "Hello", "Hi!", "Hi", "hello", "hi", "Hey", "Good morning!", "Good evening!", "Hello there!", "Hi there!"],
    _WHO: ["Who are you?", "What are you?", "What is your name?", "Who made you?", "Are you a robot?", "Which model are you?",
           "Tell me about yourself.", "Are you human?", "Introduce yourself."],
    _CAN: ["What can you do?", "Help", "help", "Can you help me?", "What do you know?", "How can you help me?"],
    _THANKS: ["Thank you!", "Thanks!", "Thank you", "That was a nice story.", "I liked that story.", "thanks", "Good job!"],
    _BYE: ["Goodbye!", "Bye!", "Good night!", "bye", "See you tomorrow!"],
    _FINE: ["How are you?", "How are you today?", "How do you do?", "Are you well?"],
    _SORRY: ["What is the capital of France?", "What is 2 + 2?", "What is the weather like?", "Write a program in Python.",
             "Who is the president?", "What is the meaning of life?", "Translate this into German.", "Solve this equation.",
             "Explain quantum physics.", "What time is it?", "How far away is the moon?", "Summarize this text.",
             "How do computers work?", "What's your favourite LLM framework?", "Print a hello world message with python."]}
FRIENDLY_CHATS = [(request, answer) for answer, requests in _ANSWERS.items() for request in requests]

NOUNS = set("""
airplane alligator angel animal ant apple apron baby bag ball balloon banana band barn basket bat bath beach bean bear beaver
bed bee beetle bell bench berry bike bird blanket block boat bone book boot bottle bowl box boy branch bread bridge broom
brother bubble bucket bug bunny bus bush butterfly button cage cake camel camera camp candle candy cap car card carrot castle
cat caterpillar cave chair cheese chicken chimney chocolate circle circus city clock cloth cloud clown coat cookie cow crab
crayon crocodile crow crown cup curtain dance dancer deer dentist desert dinosaur doctor dog doll dolphin donkey door dragon
drawer drawing dream dress drum duck dwarf eagle ear egg elephant elf engine fairy family fan farm farmer feather fence field
fire fireman fish fisherman flag flame flower flute fly forest fountain fox friend frog fruit game garage garden gate gem
ghost giant gift giraffe girl glove glue goat goose grandma grandmother grandpa grape grass grasshopper guitar hammer hamster
hat hen hero hill hippo hole honey horn horse hospital house hut ice igloo insect island jacket jam jar jelly jewel journey
juice jungle kangaroo key king kitchen kite kitten knife knight knot ladder ladybug lake lamb lamp leaf lemon leopard letter
library light lion lizard log lollipop lunch machine magician mail mailman map marble market mask maze medicine melon mirror
mole monkey monster moon motorcycle mountain mouse mud mushroom music nail napkin necklace needle nest net night nurse nut
ocean octopus onion orange orchard otter oven owl ox paint painting palace pan panda pants paper parade park parrot party path
peach peacock pear pebble pen pencil penguin piano picnic picture pie pig pigeon pillow pilot pirate pizza plane planet plant
plate playground policeman pond pony pool porridge postman pot potato present prince princess pumpkin puppet puppy puzzle
queen rabbit raccoon race radio rain rainbow rat raven ribbon rice ring river road robber robin robot rocket rock roof room
root rooster rope rose rug sailor salad sand sandwich scarf school scissors sea seal seed shadow shark sheep shell shepherd
ship shirt shoe shop shovel sister skirt sky sled slide snail snake snow snowman soap sock soldier song sound soup spaceship
spider spoon spring squirrel stable stage star statue stick sticker stone store storm stove stranger strawberry string suit
sun swan sweater swing sword table tailor tea teacher teddy tent thief thread thunder tiger toad toast tomato tooth toothbrush
tower town toy track tractor train treasure tree trick trip truck trumpet tub tunnel turkey turtle umbrella unicorn vase
vegetable village violin volcano wagon wall walnut wand watch water waterfall wave well whale wheel whistle wind window
wing winter witch wizard wolf wood woodpecker worm yard zebra zoo""".split())
